/** Writes the graphs of a model into a folder, with one data file for the weights of all of them. */
import path from 'node:path';
import type { ModelPlan } from '../architectures/architecture.ts';
import { LOGIT_COLUMNS } from '../architectures/reference/arithmetic.ts';
import { type Graph, type GraphOptions, type Value, type Weight, weightBytes } from '../onnx/graph.ts';
import { WeightFile, type WrittenFile, writeGraph } from '../onnx/writer.ts';
import type { ManifestGraph, ManifestWeight } from '../registry/manifest.ts';
import type { LazyTensor } from '../tensor/lazy-tensor.ts';
import { requireDiskSpace } from '../util/disk.ts';
import { FSB_VERSION } from '../util/version.ts';
import { FILE_SUFFIXES, type Formats, graphOptionsFor, type WritableDtype } from './dtypes.ts';
import { QuantizedWeights } from './quantized-weights.ts';
import { openQuantizer } from './quantizer.ts';
import { SmoothingFactors, smoothedBytes, smoothGraph } from './smoothing.ts';
import { WeightBuffers } from './weight-buffers.ts';
import { findFloat16Overflow, weightChunks } from './weight-bytes.ts';

export interface WriteGraphsOptions {
  readonly dtype: WritableDtype;
  /** Formats that stand instead of those of the dtype. */
  readonly formats?: Formats | undefined;
  readonly onProgress?: ((progress: ConvertProgress) => void) | undefined;
  /** Told of weights that cannot be stored in the wanted type. */
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ConvertProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface WrittenGraphs {
  readonly graphs: ManifestGraph[];
  readonly weights: ManifestWeight[];
}

/**
 * Builds and writes `onnx/<graph><suffix>.onnx` for each graph of the plan and for its probe, and their weights, each
 * once, as `onnx/<first graph><suffix>.onnx_data`. The folder `onnx` must exist.
 */
export async function writeGraphs(
  folder: string,
  plan: ModelPlan,
  tensors: ReadonlyMap<string, LazyTensor>,
  options: WriteGraphsOptions,
): Promise<WrittenGraphs> {
  const plans = [...plan.graphs, plan.probe.graph];
  const suffix = FILE_SUFFIXES[options.dtype];
  const graphs = await buildGraphs(plan, tensors, options);
  const dataFile = `onnx/${plans[0]!.name}${suffix}.onnx_data`;
  const weights = await WeightFile.create(path.join(folder, dataFile));
  const data = await writeWeights(weights, graphs, tensors, options);
  const written: ManifestGraph[] = [];
  for (const [i, graph] of graphs.entries()) {
    const { name, outputs } = plans[i]!;
    const file = `onnx/${name}${suffix}.onnx`;
    const { sizeBytes, sha256 } = await writeGraph(graph, path.join(folder, file), weights, FSB_VERSION, {
      architecture: plan.architecture,
    });
    const fsbNames = new Map(outputs.map((output) => [output.graphName, output.name]));
    written.push({
      name,
      file,
      sizeBytes,
      sha256,
      dataFile,
      dataSizeBytes: data.sizeBytes,
      dataSha256: data.sha256,
      inputs: graph.inputs.map((input) => ({ ...describe(input), optional: graph.constants.has(input.name) })),
      outputs: graph.outputs.map((output) => ({
        ...describe(output),
        name: fsbNames.get(output.name) ?? output.name,
        graphName: output.name,
      })),
    });
  }
  return { graphs: written, weights: describeWeights(weightsOf(graphs), weights) };
}

// --- internal ---

async function buildGraphs(
  plan: ModelPlan,
  tensors: ReadonlyMap<string, LazyTensor>,
  { dtype, formats, onWarning }: WriteGraphsOptions,
): Promise<Graph[]> {
  const options: GraphOptions = { ...graphOptionsFor(dtype, plan.workload), ...formats };
  const build = (common: GraphOptions): Graph[] => {
    const graphs = [
      ...plan.graphs.map((graph) => graph.build(common)),
      plan.probe.graph.build({ ...common, logitColumns: LOGIT_COLUMNS }),
    ];
    for (const graph of graphs) smoothGraph(graph, plan.smoothable ?? []);
    return graphs;
  };
  const graphs = build(options);
  const keepFloat32 = await findFloat16Overflow(weightsOf(graphs), tensors);
  if (keepFloat32.size === 0) return graphs;
  onWarning?.(`kept as float32, since float16 ends at 65504: ${[...keepFloat32].join(', ')}`);
  return build({ ...options, keepFloat32 });
}

async function writeWeights(
  file: WeightFile,
  graphs: readonly Graph[],
  tensors: ReadonlyMap<string, LazyTensor>,
  { onProgress, signal }: WriteGraphsOptions,
): Promise<WrittenFile> {
  const all = weightsOf(graphs);
  const totalBytes = all.reduce((sum, weight) => sum + weightBytes(weight), 0);
  let doneBytes = 0;
  const quantizer = openQuantizer(quantizedNumbers(all));
  const smoothing = new SmoothingFactors(tensors);
  const quantized = new QuantizedWeights(tensors, smoothing, quantizer);
  const buffers = new WeightBuffers();
  const bytesOf = (weight: Weight): AsyncIterable<Uint8Array> => {
    if (weight.source.kind === 'quantized') return quantized.chunks(weight, weight.source);
    if (weight.source.kind === 'smoothed') return smoothedBytes(weight.source, smoothing);
    return weightChunks(weight, tensors, buffers);
  };
  try {
    await requireDiskSpace(file.file, totalBytes, 'the converted model');
    for (const weight of all) {
      signal?.throwIfAborted();
      await file.append(weight, bytesOf(weight));
      doneBytes += weightBytes(weight);
      onProgress?.({ doneBytes, totalBytes });
    }
    return await file.finish();
  } catch (error) {
    await file.abandon();
    throw error;
  } finally {
    await quantizer.close();
  }
}

function quantizedNumbers(weights: readonly Weight[]): number {
  return weights.reduce(
    (sum, { source }) =>
      source.kind === 'quantized' && source.part === 'values' ? sum + source.matrix.rows * source.matrix.columns : sum,
    0,
  );
}

/** The weights of all graphs, each once, in the order of their first use. */
function weightsOf(graphs: readonly Graph[]): Weight[] {
  return [...new Map(graphs.flatMap((graph) => [...graph.weights])).values()];
}

/** Where the checkpoint's tensors went; computed constants are nobody's. */
function describeWeights(all: readonly Weight[], file: WeightFile): ManifestWeight[] {
  return all.flatMap(({ name, dtype, shape, source }) => {
    if (source.kind !== 'checkpoint') return [];
    const { tensors, transpose, heads } = source;
    const { offset } = file.placements.get(name)!;
    return [
      {
        name,
        dtype,
        shape: [...shape],
        offset,
        tensors: [...tensors],
        transposed: transpose,
        ...(heads && { heads: { ...heads } }),
      },
    ];
  });
}

function describe({ name, dtype, shape }: Value): { name: string; dtype: string; shape: (string | number)[] } {
  return { name, dtype, shape: [...shape] };
}
