/** The bytes of one weight of a graph, streamed from the checkpoint: read, checked, transposed, narrowed. */
import type { HeadPadding, Weight, WeightSource } from '../onnx/graph.ts';
import { FLOAT16_MAX, narrowFloat16 } from '../tensor/half.ts';
import { elementCountOf, type LazyTensor, readFloat32, rowChunks } from '../tensor/lazy-tensor.ts';
import { IntegrityError } from '../util/errors.ts';

/** One chunk of output: large enough for the disk, small beside any model. */
const CHUNK_BYTES = 8 * 1024 * 1024;

/**
 * Yields the stored form of a weight in order.
 * @throws IntegrityError (not-finite) when a number is NaN or infinite
 */
export async function* weightChunks(
  weight: Weight,
  tensors: ReadonlyMap<string, LazyTensor>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of floatChunks(weight, tensors)) yield store(chunk, weight.dtype);
}

/**
 * Names of those weights that float16 cannot hold: some number is beyond ±65504. float16 checkpoints are not read,
 * since they cannot have any.
 */
export async function findFloat16Overflow(
  weights: Iterable<Weight>,
  tensors: ReadonlyMap<string, LazyTensor>,
): Promise<Set<string>> {
  const overflowing = new Set<string>();
  for (const weight of weights) {
    if (weight.dtype !== 'float16' || weight.source.kind !== 'checkpoint') continue;
    for (const name of weight.source.tensors) {
      const tensor = boundTensor(name, tensors);
      if (tensor.dtype === 'float16') continue;
      for await (const chunk of rowChunks(tensor, CHUNK_BYTES))
        if (largest(chunk) > FLOAT16_MAX) overflowing.add(weight.name);
    }
  }
  return overflowing;
}

// --- internal ---

/** The numbers of a weight in order, as float32. */
export async function* floatChunks(
  weight: Weight,
  tensors: ReadonlyMap<string, LazyTensor>,
): AsyncGenerator<Float32Array> {
  const { source } = weight;
  if (source.kind === 'computed') return yield source.data;
  if (source.kind !== 'checkpoint') throw new Error(`weight "${weight.name}" has no numbers of its own`);
  if (source.heads) return yield padHeads(weight, source.heads, await unpadded(weight, source.heads, tensors));
  if (!source.transpose) {
    for (const name of source.tensors) {
      const tensor = boundTensor(name, tensors);
      for await (const chunk of rowChunks(tensor, CHUNK_BYTES)) {
        checkFinite(chunk, tensor);
        yield chunk;
      }
    }
    return;
  }
  const [columns, rows] = weight.shape as [number, number]; // of the parts, stacked: (rows, columns)
  const stacked = await stack(source.tensors, tensors, rows * columns);
  const step = Math.max(1, Math.floor(CHUNK_BYTES / 4 / rows));
  for (let from = 0; from < columns; from += step)
    yield transposeColumns(stacked, rows, columns, from, Math.min(columns, from + step));
}

/** The whole weight without its padding. Only models with heads of odd sizes come here, and they are small. */
async function unpadded(
  weight: Weight,
  heads: HeadPadding,
  tensors: ReadonlyMap<string, LazyTensor>,
): Promise<Float32Array> {
  const shape = weight.shape.map((size, d) =>
    d === heads.dimension ? (size / heads.paddedSize) * heads.headSize : size,
  );
  const result = new Float32Array(elementCountOf(shape));
  const { heads: _, ...source } = weight.source as Extract<WeightSource, { kind: 'checkpoint' }>;
  let at = 0;
  for await (const chunk of floatChunks({ ...weight, shape, source }, tensors)) {
    result.set(chunk, at);
    at += chunk.length;
  }
  return result;
}

/** Puts paddedSize − headSize zeros after each head. */
function padHeads(
  weight: Weight,
  { dimension, headSize, paddedSize }: HeadPadding,
  values: Float32Array,
): Float32Array {
  const inner = elementCountOf(weight.shape.slice(dimension + 1)); // numbers of one index of the padded dimension
  const result = new Float32Array(elementCountOf(weight.shape));
  const headCount = values.length / (headSize * inner);
  for (let h = 0; h < headCount; h++)
    result.set(values.subarray(h * headSize * inner, (h + 1) * headSize * inner), h * paddedSize * inner);
  return result;
}

/** The parts one below the other; a single part is not copied. */
async function stack(
  names: readonly string[],
  tensors: ReadonlyMap<string, LazyTensor>,
  size: number,
): Promise<Float32Array> {
  const read = async (name: string): Promise<Float32Array> => {
    const tensor = boundTensor(name, tensors);
    const values = await readFloat32(tensor);
    checkFinite(values, tensor);
    return values;
  };
  if (names.length === 1) return read(names[0]!);
  const stacked = new Float32Array(size);
  let at = 0;
  for (const name of names) {
    const part = await read(name);
    stacked.set(part, at);
    at += part.length;
  }
  return stacked;
}

/** Columns [from, to) of a (rows, columns) matrix as rows: block by block, so that both sides stay in the cache. */
function transposeColumns(matrix: Float32Array, rows: number, columns: number, from: number, to: number): Float32Array {
  const BLOCK = 16; // 16 float32 = one cache line
  const result = new Float32Array((to - from) * rows);
  for (let r0 = 0; r0 < rows; r0 += BLOCK) {
    const r1 = Math.min(rows, r0 + BLOCK);
    for (let c0 = from; c0 < to; c0 += BLOCK) {
      const c1 = Math.min(to, c0 + BLOCK);
      for (let c = c0; c < c1; c++) {
        const target = (c - from) * rows;
        for (let r = r0; r < r1; r++) result[target + r] = matrix[r * columns + c]!;
      }
    }
  }
  return result;
}

function store(chunk: Float32Array, dtype: Weight['dtype']): Uint8Array {
  const stored = dtype === 'float16' ? narrowFloat16(chunk) : chunk;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

function boundTensor(name: string, tensors: ReadonlyMap<string, LazyTensor>): LazyTensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`the graph uses tensor "${name}", which the architecture's list of tensors lacks`);
  return tensor;
}

/** Throws IntegrityError (not-finite) when a number is NaN or infinite. */
export function checkFinite(values: Float32Array, tensor: LazyTensor): void {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * 0; // 0 for a finite number, NaN else
  if (sum === 0) return;
  const index = values.findIndex((value) => !Number.isFinite(value));
  throw new IntegrityError(
    `tensor "${tensor.name}" in ${tensor.storage.source.name}: ${values[index]} among its numbers`,
    {
      code: 'not-finite',
      hint: 'the checkpoint is damaged or its training diverged; another download or revision may be sound',
      facts: { tensor: tensor.name },
    },
  );
}

function largest(values: Float32Array): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]!));
  return most;
}
