/** The bytes of one weight of a graph, streamed from the checkpoint: read, checked, transposed, narrowed. */
import type { HeadPadding, Weight, WeightSource } from '../onnx/graph.ts';
import { castMatrix } from '../tensor/cast.ts';
import { type FloatDtype, isFloat } from '../tensor/dtype.ts';
import { FLOAT16_MAX, narrowFloat16 } from '../tensor/half.ts';
import { elementCountOf, type LazyTensor, openRows, rowChunks, rowCount } from '../tensor/lazy-tensor.ts';
import { transposed } from '../tensor/views.ts';
import { IntegrityError } from '../util/errors.ts';
import { WeightBuffers } from './weight-buffers.ts';

/** One chunk of output: large enough for the disk, small beside any model. */
const CHUNK_BYTES = 8 * 1024 * 1024;

/**
 * Yields the stored form of a weight in order. Chunks lie in `buffers`: one is good until the second after it is asked for.
 * @throws IntegrityError (not-finite) when a number is NaN or infinite
 */
export async function* weightChunks(
  weight: Weight,
  tensors: ReadonlyMap<string, LazyTensor>,
  buffers = new WeightBuffers(),
): AsyncGenerator<Uint8Array> {
  const { source } = weight;
  if (source.kind === 'checkpoint' && !source.heads && weight.dtype === 'float16')
    for await (const chunk of castChunks(source, Uint16Array, tensors, buffers)) yield bytesOf(chunk);
  else
    for await (const chunk of floatChunks(weight, tensors, buffers))
      yield bytesOf(weight.dtype === 'float16' ? narrowFloat16(chunk) : chunk);
}

/** The numbers of a weight in order, as float32; chunks as in weightChunks, and at least `pieces` of like size where rows allow it. */
export async function* floatChunks(
  weight: Weight,
  tensors: ReadonlyMap<string, LazyTensor>,
  buffers = new WeightBuffers(),
  pieces = 1,
): AsyncGenerator<Float32Array> {
  const { source } = weight;
  if (source.kind === 'computed') yield source.data;
  else if (source.kind !== 'checkpoint') throw new Error(`weight "${weight.name}" has no numbers of its own`);
  else if (source.heads) yield padHeads(weight, source.heads, await unpadded(weight, source.heads, tensors));
  else yield* castChunks(source, Float32Array, tensors, buffers, pieces);
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

// --- internal ---

type CheckpointSource = Extract<WeightSource, { kind: 'checkpoint' }>;

/** The parts as rows one below the other, or their transposes side by side, cast straight from their stored bytes. */
async function* castChunks<T extends Float32Array | Uint16Array>(
  { tensors: names, transpose }: CheckpointSource,
  Numbers: { new (buffer: ArrayBuffer, offset: number, length: number): T; readonly BYTES_PER_ELEMENT: number },
  tensors: ReadonlyMap<string, LazyTensor>,
  buffers: WeightBuffers,
  pieces = 1,
): AsyncGenerator<T> {
  const parts = names.map((name) => boundTensor(name, tensors));
  const width = Numbers.BYTES_PER_ELEMENT;
  for (const band of transpose ? [parts.map(transposed)] : parts.map((part) => [part])) {
    const rows = rowCount(band[0]!);
    const widths = band.map((part) => elementCountOf(part.shape) / rows);
    const columns = widths.reduce((sum, width) => sum + width, 0);
    const fitting = Math.max(1, Math.floor(CHUNK_BYTES / width / columns));
    const step = Math.ceil(rows / Math.max(pieces, Math.ceil(rows / fitting)));
    buffers.release();
    const readers = await Promise.all(band.map((part) => openRows(part, buffers.hold)));
    for (let from = 0; from < rows; from += step) {
      const count = Math.min(step, rows - from);
      const values = new Numbers(buffers.chunk(count * columns * width), 0, count * columns);
      let at = 0;
      for (const [i, part] of band.entries()) {
        const stored = { ...(await readers[i]!(from, from + count)), dtype: floatDtype(part) };
        if (!castMatrix(count, widths[i]!, stored, { values, at, rowStride: columns })) await throwNotFinite(part);
        at += widths[i]!;
      }
      yield values;
    }
  }
}

function floatDtype({ name, dtype, storage }: LazyTensor): FloatDtype {
  if (isFloat(dtype)) return dtype;
  throw new IntegrityError(`tensor "${name}" in ${storage.source.name}: expected a floating type, found ${dtype}`, {
    code: 'bad-tensor',
  });
}

/** Looks for the number to name it. */
async function throwNotFinite(tensor: LazyTensor): Promise<never> {
  for await (const chunk of rowChunks(tensor, CHUNK_BYTES)) checkFinite(chunk, tensor);
  throw new Error(`tensor "${tensor.name}": a number was not finite and is now`);
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
  const { heads: _, ...source } = weight.source as CheckpointSource;
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

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function boundTensor(name: string, tensors: ReadonlyMap<string, LazyTensor>): LazyTensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`the graph uses tensor "${name}", which the architecture's list of tensors lacks`);
  return tensor;
}

/** The largest magnitude; among bit patterns of positive float32 numbers the order is that of integers. */
function largest(values: Float32Array): number {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length);
  let most = 0;
  for (let i = 0; i < words.length; i++) most = Math.max(most, words[i]! & 0x7fffffff);
  return new Float32Array(Int32Array.of(most).buffer)[0]!;
}
