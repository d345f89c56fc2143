/** Reads an ONNX file for people: inputs, outputs, operators, weights. Nothing is run. */
import { readFile, stat } from 'node:fs/promises';
import { DTYPES, type Dtype } from '../tensor/dtype.ts';
import { IntegrityError, isSystemError, messageOf, NotFoundError } from '../util/errors.ts';
import type { Dimension } from './graph.ts';
import { decodeModel, EXTERNAL_LOCATION, type ModelProto, type TensorProto, type ValueInfoProto } from './proto.ts';

/** protobuf messages end here; weights beyond it are external data anyway. */
const MAX_GRAPH_BYTES = 2 ** 31 - 1;

export interface ValueSummary {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly Dimension[];
}

export interface InitializerSummary extends ValueSummary {
  readonly sizeBytes: number;
  /** Place in the external data file; null for weights inside the graph file. */
  readonly external: { readonly location: string; readonly offset: number; readonly length: number } | null;
}

export interface GraphSummary {
  readonly file: string;
  readonly sizeBytes: number;
  readonly producer: string;
  readonly opsets: Readonly<Record<string, number>>;
  readonly inputs: readonly ValueSummary[];
  readonly outputs: readonly ValueSummary[];
  /** Operator → how many nodes, the most frequent first. */
  readonly operators: Readonly<Record<string, number>>;
  readonly initializers: readonly InitializerSummary[];
}

/** Summarises an ONNX file. Throws IntegrityError when its bytes are no ONNX model. */
export async function summarizeGraph(file: string): Promise<GraphSummary> {
  const model = await readModel(file);
  const { graph } = model;
  const counts = new Map<string, number>();
  for (const node of graph.node) counts.set(node.opType, (counts.get(node.opType) ?? 0) + 1);
  return {
    file,
    sizeBytes: (await stat(file)).size,
    producer: `${model.producerName} ${model.producerVersion}`.trim(),
    opsets: Object.fromEntries(model.opsetImport.map(({ domain, version }) => [domain || 'ai.onnx', version])),
    inputs: graph.input.map(summarizeValue),
    outputs: graph.output.map(summarizeValue),
    operators: Object.fromEntries([...counts].sort((a, b) => b[1] - a[1])),
    initializers: graph.initializer.map(summarizeInitializer),
  };
}

/** Decodes an ONNX file; errors as summarizeGraph. */
export async function readModel(file: string): Promise<ModelProto> {
  let bytes: Buffer;
  try {
    if ((await stat(file)).size > MAX_GRAPH_BYTES)
      throw new IntegrityError(`${file}: larger than a protobuf message can be`, { code: 'malformed-graph' });
    bytes = await readFile(file);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) throw new NotFoundError(`${file} does not exist`, { code: 'file-not-found' });
    throw error;
  }
  try {
    const model = decodeModel(bytes);
    if (!model.graph?.node.length) throw new Error('it holds no graph');
    return model;
  } catch (error) {
    throw new IntegrityError(`${file} is not an ONNX model: ${messageOf(error)}`, {
      code: 'malformed-graph',
      cause: error,
    });
  }
}

// --- internal ---

function dtypeOf(onnx: number): string {
  return (Object.keys(DTYPES) as Dtype[]).find((dtype) => DTYPES[dtype].onnx === onnx) ?? `onnx type ${onnx}`;
}

function summarizeValue({ name, type }: ValueInfoProto): ValueSummary {
  const dims = type?.tensorType?.shape?.dim ?? [];
  return {
    name,
    dtype: dtypeOf(type?.tensorType?.elemType ?? 0),
    shape: dims.map((dim) => dim.dimParam || (dim.dimValue ?? 0)),
  };
}

function summarizeInitializer(tensor: TensorProto): InitializerSummary {
  const shape = tensor.dims;
  const entries = new Map((tensor.externalData ?? []).map(({ key, value }) => [key, value]));
  const external =
    tensor.dataLocation === EXTERNAL_LOCATION
      ? {
          location: entries.get('location') ?? '',
          offset: Number(entries.get('offset') ?? 0),
          length: Number(entries.get('length') ?? 0),
        }
      : null;
  return {
    name: tensor.name,
    dtype: dtypeOf(tensor.dataType),
    shape,
    sizeBytes: external?.length ?? tensor.rawData?.length ?? 0,
    external,
  };
}
