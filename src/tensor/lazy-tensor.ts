/**
 * A tensor that is a byte range of a file until somebody asks for its numbers. Checkpoint readers make them,
 * conversion reads one at a time: the memory rule (nothing whole in memory) rests on this type.
 */
import { IntegrityError } from '../util/errors.ts';
import { DTYPES, type Dtype, isFloat } from './dtype.ts';
import { widenBfloat16, widenFloat16 } from './half.ts';
import { copyStrided, type Place } from './strided-copy.ts';

/** Bytes that can be read by offset: a file, or a region of one. Little-endian content. */
export interface ByteSource {
  /** Where the bytes are, for messages: file, or archive and entry. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Fills `target` with the bytes from `offset` on; throws IntegrityError when fewer are there. */
  readInto(target: Uint8Array, offset: number): Promise<void>;
}

/** One stretch of memory that tensors are views of; views with the same key alias the same numbers. */
export interface Storage {
  /** Unique within a checkpoint. */
  readonly key: string;
  readonly dtype: Dtype;
  /** Number of elements. */
  readonly elementCount: number;
  /** The elements of the storage, densely, from byte 0 of the source. */
  readonly source: ByteSource;
}

/** Chunks of rowChunks hold at most this many bytes of float32: large enough that reading dominates, small beside any weight. */
export const ROW_CHUNK_BYTES = 16 * 1024 * 1024;

/**
 * A view whose rows lie scattered over its storage (a transposed weight) is read from the file once and cut up in
 * memory when its stored bytes are at most this; the largest transposed weight here (3072 × 12288, float16) has 75 MB.
 */
const WHOLE_VIEW_BYTES = 256 * 1024 * 1024;

/** A stretch is read in one go when at least half of it is wanted, or when it is as short as this, in elements. */
const SHORT_STRETCH = 64 * 1024;

export interface LazyTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** In elements, one per dimension, none negative (0 = the same element along the dimension). */
  readonly strides: readonly number[];
  /** Index of the first element in the storage. */
  readonly offset: number;
  readonly storage: Storage;
}

/** Number of elements of a shape. */
export function elementCountOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Row-major strides of a shape, in elements. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = step;
    step *= shape[d]!;
  }
  return strides;
}

/** True when the elements lie in row-major order without gaps. */
export function isContiguous(tensor: LazyTensor): boolean {
  return isDense(tensor.shape, tensor.strides);
}

/** Number of elements between the first and the last that a view touches, inclusive; 0 for an empty one. */
export function extentOf(shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((extent, size, d) => extent + (size - 1) * strides[d]!, 1);
}

/** Rows along the first dimension; 1 for a scalar. */
export function rowCount(tensor: LazyTensor): number {
  return tensor.shape[0] ?? 1;
}

/**
 * The stored bytes of rows [from, to) of the first dimension, in row-major order, as the file has them.
 * A scalar has one row. Memory: the result plus, for a strided view, at most twice its size.
 * @param into where to put them, of exactly their size. @default new memory
 */
export async function readStored(
  tensor: LazyTensor,
  from = 0,
  to = rowCount(tensor),
  into?: Uint8Array,
): Promise<Uint8Array> {
  const { strides, storage } = tensor;
  const shape = tensor.shape.length === 0 ? [] : [to - from, ...tensor.shape.slice(1)];
  const width = DTYPES[tensor.dtype].bytes;
  const target = into ?? new Uint8Array(elementCountOf(shape) * width);
  const first = tensor.offset + from * (strides[0] ?? 0);
  await readView(storage.source, width, { first, shape, strides }, target, {
    at: 0,
    strides: contiguousStrides(shape),
  });
  return target;
}

/**
 * The numbers of rows [from, to) of the first dimension, in row-major order, widened to float32.
 * A scalar has one row. Memory: the result plus the stored bytes of the range it spans.
 */
export async function readFloat32(tensor: LazyTensor, from = 0, to = rowCount(tensor)): Promise<Float32Array> {
  requireFloat(tensor);
  return widen(tensor.dtype, await readStored(tensor, from, to));
}

/**
 * The whole tensor as consecutive blocks of rows, row-major, widened to float32. A block is as many whole rows as fit
 * in `maxBytes` of float32 (at least one row); leading dimensions of size 1 do not count. Nothing larger is held in
 * memory, except the stored bytes of a scattered view (see WHOLE_VIEW_BYTES).
 */
export async function* rowChunks(tensor: LazyTensor, maxBytes = ROW_CHUNK_BYTES): AsyncGenerator<Float32Array> {
  requireFloat(tensor);
  for await (const bytes of storedRowChunks(tensor, Math.floor(maxBytes / 4))) yield widen(tensor.dtype, bytes);
}

/** As rowChunks, but the stored bytes of any type, at most `maxElements` elements (at least one row) at a time. */
export async function* storedRowChunks(tensor: LazyTensor, maxElements: number): AsyncGenerator<Uint8Array> {
  const view = withoutLeadingOnes(tensor);
  const rows = rowCount(view);
  const count = elementCountOf(view.shape);
  if (count === 0) return;
  const rowsPerChunk = Math.min(rows, Math.max(1, Math.floor(maxElements / (count / rows))));
  const blocks = Array.from({ length: Math.ceil(rows / rowsPerChunk) }, (_, i) => i * rowsPerChunk);
  const held = blocks.length > 1 && isScattered(view, rowsPerChunk) ? await readExtent(view) : undefined;
  for (const from of blocks) {
    const to = Math.min(rows, from + rowsPerChunk);
    yield held ? cutRows(view, held, from, to) : await readStored(view, from, to);
  }
}

/** Gives memory of at least `length` bytes, aligned for every type; what it holds is not zeroed. */
export type Memory = (length: number) => Uint8Array;

/** Stored numbers of some rows of a matrix: index of the first and strides in elements of the tensor's type. */
export interface StoredRows {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/**
 * Prepares to read rows [from, to) of the first dimension, in any order; further dimensions count as columns. Rows that lie close together are read when asked for; those of a transposed view are cut
 * out of its stored bytes, read once (see WHOLE_VIEW_BYTES). Each result is good until the next; all use `memory`.
 */
export async function openRows(
  tensor: LazyTensor,
  memory: Memory,
): Promise<(from: number, to: number) => Promise<StoredRows>> {
  const { shape, strides, storage } = tensor;
  const width = DTYPES[tensor.dtype].bytes;
  const [rowStride = 0, columnStride = 1] = strides;
  const extent = extentOf(shape, strides);
  const isTurned = shape.length === 2 && columnStride > 1 && extent <= 2 * elementCountOf(shape);
  if (isTurned && extent * width <= WHOLE_VIEW_BYTES) {
    const held = memory(extent * width);
    await storage.source.readInto(held, tensor.offset * width);
    return async (from) => ({ bytes: held, at: from * rowStride, rowStride, columnStride });
  }
  const columns = elementCountOf(shape.slice(1));
  let block: Uint8Array = new Uint8Array();
  return async (from, to) => {
    const length = (to - from) * columns * width;
    if (block.length < length) block = memory(length);
    const bytes = await readStored(tensor, from, to, block.subarray(0, length));
    return { bytes, at: 0, rowStride: columns, columnStride: 1 };
  };
}

// --- internal ---

interface View {
  /** Index of the first element. */
  readonly first: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

function requireFloat(tensor: LazyTensor): void {
  if (isFloat(tensor.dtype)) return;
  const where = `tensor "${tensor.name}" in ${tensor.storage.source.name}`;
  throw new IntegrityError(`${where}: expected a floating type, found ${tensor.dtype}`, { code: 'bad-tensor' });
}

/** Bytes in the file's element type → float32. `bytes` starts at an aligned offset of its buffer. */
function widen(dtype: Dtype, bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset } = bytes;
  const count = bytes.byteLength / DTYPES[dtype].bytes;
  if (dtype === 'float32') return new Float32Array(buffer, byteOffset, count);
  if (dtype === 'float64') return Float32Array.from(new Float64Array(buffer, byteOffset, count));
  const bits = new Uint16Array(buffer, byteOffset, count);
  return dtype === 'float16' ? widenFloat16(bits) : widenBfloat16(bits);
}

/** Reads a view into row-major (or any other strided) places of `target`; both in elements of `width` bytes. */
async function readView(
  source: ByteSource,
  width: number,
  view: View,
  target: Uint8Array,
  place: Place,
): Promise<void> {
  const { first, shape, strides } = view;
  const count = elementCountOf(shape);
  if (count === 0) return;
  if (isDense(shape, strides) && isDense(shape, place.strides))
    return source.readInto(target.subarray(place.at * width, (place.at + count) * width), first * width);
  const extent = extentOf(shape, strides);
  if (extent <= Math.max(2 * count, SHORT_STRETCH)) {
    const stretch = new Uint8Array(extent * width);
    await source.readInto(stretch, first * width);
    copyStrided(width, shape, stretch, { at: 0, strides }, target, place);
    return;
  }
  const widest = strides.reduce((best, stride, d) => (shape[d]! > 1 && stride > (strides[best] ?? 0) ? d : best), 0);
  const restExtent = extentOf(shape.with(widest, 1), strides);
  const step = restExtent > SHORT_STRETCH ? 1 : Math.floor((SHORT_STRETCH - restExtent) / strides[widest]!) + 1;
  for (let i = 0; i < shape[widest]!; i += step) {
    const slice = {
      first: first + i * strides[widest]!,
      shape: shape.with(widest, Math.min(step, shape[widest]! - i)),
      strides,
    };
    const at = place.at + i * place.strides[widest]!;
    await readView(source, width, slice, target, { at, strides: place.strides });
  }
}

function isDense(shape: readonly number[], strides: readonly number[]): boolean {
  const dense = contiguousStrides(shape);
  return shape.every((size, d) => size === 1 || strides[d] === dense[d]);
}

/** [1, 1, n, m] → [n, m]: a leading dimension of one row would make the whole tensor one chunk. */
function withoutLeadingOnes(tensor: LazyTensor): LazyTensor {
  const kept = tensor.shape.findIndex((size) => size !== 1);
  const from = kept < 0 ? tensor.shape.length : kept;
  return { ...tensor, shape: tensor.shape.slice(from), strides: tensor.strides.slice(from) };
}

/** True when each block of rows reaches over most of the storage, but all of them together fill it. */
function isScattered(view: LazyTensor, rowsPerChunk: number): boolean {
  const block = [rowsPerChunk, ...view.shape.slice(1)];
  const extent = extentOf(view.shape, view.strides);
  return (
    extentOf(block, view.strides) > 2 * elementCountOf(block) &&
    extent <= 2 * elementCountOf(view.shape) &&
    extent * DTYPES[view.dtype].bytes <= WHOLE_VIEW_BYTES
  );
}

async function readExtent(view: LazyTensor): Promise<Uint8Array> {
  const width = DTYPES[view.dtype].bytes;
  const bytes = new Uint8Array(extentOf(view.shape, view.strides) * width);
  await view.storage.source.readInto(bytes, view.offset * width);
  return bytes;
}

function cutRows(view: LazyTensor, held: Uint8Array, from: number, to: number): Uint8Array {
  const width = DTYPES[view.dtype].bytes;
  const shape = [to - from, ...view.shape.slice(1)];
  const target = new Uint8Array(elementCountOf(shape) * width);
  const place = { at: 0, strides: contiguousStrides(shape) };
  copyStrided(width, shape, held, { at: from * view.strides[0]!, strides: view.strides }, target, place);
  return target;
}
