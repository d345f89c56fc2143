/** Which weights of a graph are matrices that activations are multiplied with: how many numbers and bytes, and in what type. */
import { DTYPES, type Dtype } from '../tensor/dtype.ts';
import type { NodeProto, TensorProto } from './proto.ts';
import { readModel } from './summary.ts';

export interface GraphMatrix {
  /** The initializer. */
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** What a product reads: integers with their scales; float16 as float32, since that is how a CPU holds it. */
  readonly sizeBytes: number;
  readonly arithmetic: 'float32' | 'int8';
  /** False where the other factor does not depend on `input_ids`: computed once for a source, not with every token. */
  readonly dependsOnIds: boolean;
}

/** The weight matrices of an ONNX file, in the order of their use. Throws as summarizeGraph. */
export async function listMatrices(file: string): Promise<GraphMatrix[]> {
  const { graph } = await readModel(file);
  const initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const dependent = new Set(['input_ids']);
  const matrices: GraphMatrix[] = [];
  for (const node of graph.node) {
    const [x = ''] = node.input;
    // a weight in float16 is widened by a Cast before its use
    if (node.opType === 'Cast' && initializers.has(x)) initializers.set(node.output[0]!, initializers.get(x)!);
    if (node.input.some((name) => dependent.has(name))) for (const name of node.output) dependent.add(name);
    const shape = shapeOf(node, initializers);
    if (!shape) continue;
    const weights = node.input.slice(1).flatMap((name) => initializers.get(name) ?? []);
    matrices.push({
      name: weights[0]!.name,
      ...shape,
      sizeBytes: weights.reduce((sum, tensor) => sum + bytesInMemory(tensor), 0),
      arithmetic: node.opType in INTEGER_OPERATORS ? 'int8' : 'float32',
      dependsOnIds: dependent.has(x),
    });
  }
  return matrices;
}

// --- internal ---

/** Operators whose products are of 8-bit integers (MatMulNBits at accuracy level 4, which fsb writes). */
const INTEGER_OPERATORS: Readonly<Record<string, true>> = { MatMulNBits: true, DynamicQuantizeMatMul: true };

function shapeOf(
  node: NodeProto,
  initializers: ReadonlyMap<string, TensorProto>,
): { inFeatures: number; outFeatures: number } | undefined {
  const weight = initializers.get(node.input[1] ?? '');
  if (!weight) return undefined;
  const attribute = (name: string): number => node.attribute.find((entry) => entry.name === name)?.i ?? 0;
  if (node.opType === 'MatMulNBits') return { inFeatures: attribute('K'), outFeatures: attribute('N') };
  if (weight.dims.length !== 2 || !['MatMul', 'Gemm', 'DynamicQuantizeMatMul'].includes(node.opType)) return undefined;
  const [rows, columns] = weight.dims as [number, number];
  return attribute('transB') === 1
    ? { inFeatures: columns, outFeatures: rows }
    : { inFeatures: rows, outFeatures: columns };
}

function bytesInMemory({ dims, dataType }: TensorProto): number {
  const dtype = (Object.keys(DTYPES) as Dtype[]).find((name) => DTYPES[name].onnx === dataType)!;
  return dims.reduce((product, size) => product * size, 1) * (dtype === 'float16' ? 4 : DTYPES[dtype].bytes);
}
