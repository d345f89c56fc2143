/**
 * Tensors made of other tensors without reading them: another name, some rows, the transpose, several side by side.
 * A concatenation is a storage whose bytes are put together when somebody reads them, so that it obeys the memory rule too.
 */
import { IntegrityError } from '../util/errors.ts';
import { DTYPES } from './dtype.ts';
import {
  type ByteSource,
  contiguousStrides,
  elementCountOf,
  isContiguous,
  type LazyTensor,
  readStored,
  rowCount,
} from './lazy-tensor.ts';

/** Rows of the parts that are held at a time while they are interleaved along the second dimension. */
const INTERLEAVE_BYTES = 8 * 1024 * 1024;

/** The same numbers under another name. */
export function renamed(tensor: LazyTensor, name: string): LazyTensor {
  return { ...tensor, name };
}

/** Every `step`-th row of the first dimension from `from` on, `count` of them; shares the storage. */
export function rowsOf(tensor: LazyTensor, from: number, count: number, step = 1): LazyTensor {
  const [rowStride, ...inner] = tensor.strides as [number, ...number[]];
  const offset = tensor.offset + from * rowStride;
  const shape = [count, ...tensor.shape.slice(1)];
  return { ...tensor, shape, strides: [rowStride * step, ...inner], offset };
}

/** The dimensions in reverse order; shares the storage. */
export function transposed(tensor: LazyTensor): LazyTensor {
  return { ...tensor, shape: tensor.shape.toReversed(), strides: tensor.strides.toReversed() };
}

/**
 * The parts one after another along dimension 0, or side by side along dimension 1 (of two), as one contiguous tensor.
 * `key` names the new storage and is unique within the checkpoint. One part is returned as it is.
 * Throws IntegrityError (bad-tensor) when the parts differ in dtype or in another dimension.
 */
export function concatenated(
  name: string,
  key: string,
  parts: readonly LazyTensor[],
  dimension: 0 | 1 = 0,
): LazyTensor {
  const first = parts[0];
  if (first === undefined) throw new RangeError(`tensor "${name}": nothing to concatenate`);
  if (parts.length === 1) return renamed(first, name);
  for (const part of parts) requireMatch(name, first, part, dimension);
  const total = parts.reduce((sum, part) => sum + part.shape[dimension]!, 0);
  const shape = first.shape.with(dimension, total);
  const { dtype } = first;
  const elementCount = elementCountOf(shape);
  const source = dimension === 0 ? stackedSource(name, parts) : interleavedSource(name, parts, shape[1]!);
  return {
    name,
    dtype,
    shape,
    strides: contiguousStrides(shape),
    offset: 0,
    storage: { key, dtype, elementCount, source },
  };
}

// --- internal ---

function requireMatch(name: string, first: LazyTensor, part: LazyTensor, dimension: 0 | 1): void {
  const rankFits = part.shape.length === first.shape.length && part.shape.length > dimension;
  const fits = rankFits && part.shape.every((size, d) => d === dimension || size === first.shape[d]);
  if (fits && part.dtype === first.dtype) return;
  const told = (tensor: LazyTensor): string =>
    `${tensor.dtype} [${tensor.shape.join(', ')}] (${tensor.storage.source.name})`;
  throw new IntegrityError(
    `tensor "${name}": its parts must agree in all but dimension ${dimension}, found ${told(first)} and ${told(part)}`,
    { code: 'bad-tensor', facts: { tensor: name } },
  );
}

/** Dimension 0: the bytes of the parts follow each other. */
function stackedSource(name: string, parts: readonly LazyTensor[]): ByteSource {
  const starts: number[] = [];
  let sizeBytes = 0;
  for (const part of parts) {
    starts.push(sizeBytes);
    sizeBytes += byteSizeOf(part);
  }
  return {
    name: sourceName(name, parts),
    sizeBytes,
    async readInto(target, offset) {
      for (const [i, part] of parts.entries()) {
        const start = Math.max(offset, starts[i]!);
        const end = Math.min(offset + target.length, starts[i]! + byteSizeOf(part));
        if (start < end) await readDense(part, target.subarray(start - offset, end - offset), start - starts[i]!);
      }
    },
  };
}

/** Dimension 1: row r is row r of each part, one after another. */
function interleavedSource(name: string, parts: readonly LazyTensor[], columns: number): ByteSource {
  const width = DTYPES[parts[0]!.dtype].bytes;
  const rows = rowCount(parts[0]!);
  const rowBytes = columns * width;
  const rowsAtOnce = Math.max(1, Math.floor(INTERLEAVE_BYTES / rowBytes));
  return {
    name: sourceName(name, parts),
    sizeBytes: rows * rowBytes,
    async readInto(target, offset) {
      const end = offset + target.length;
      for (let from = Math.floor(offset / rowBytes); from * rowBytes < end; from += rowsAtOnce) {
        const to = Math.min(from + rowsAtOnce, Math.ceil(end / rowBytes));
        const block = await interleaveRows(parts, from, to, rowBytes);
        const start = Math.max(offset, from * rowBytes);
        const stop = Math.min(end, to * rowBytes);
        target.set(block.subarray(start - from * rowBytes, stop - from * rowBytes), start - offset);
      }
    },
  };
}

async function interleaveRows(
  parts: readonly LazyTensor[],
  from: number,
  to: number,
  rowBytes: number,
): Promise<Uint8Array> {
  const block = new Uint8Array((to - from) * rowBytes);
  let column = 0; // in bytes
  for (const part of parts) {
    const bytes = await readStored(part, from, to);
    const partBytes = bytes.length / (to - from);
    for (let r = 0; r < to - from; r++)
      block.set(bytes.subarray(r * partBytes, (r + 1) * partBytes), r * rowBytes + column);
    column += partBytes;
  }
  return block;
}

/** Bytes [offset, offset + target.length) of the row-major content of a tensor. */
async function readDense(tensor: LazyTensor, target: Uint8Array, offset: number): Promise<void> {
  const width = DTYPES[tensor.dtype].bytes;
  if (isContiguous(tensor)) return tensor.storage.source.readInto(target, tensor.offset * width + offset);
  const rowBytes = byteSizeOf(tensor) / rowCount(tensor);
  const from = Math.floor(offset / rowBytes);
  const to = Math.ceil((offset + target.length) / rowBytes);
  const rows = await readStored(tensor, from, to);
  target.set(rows.subarray(offset - from * rowBytes, offset - from * rowBytes + target.length));
}

function byteSizeOf(tensor: LazyTensor): number {
  return elementCountOf(tensor.shape) * DTYPES[tensor.dtype].bytes;
}

function sourceName(name: string, parts: readonly LazyTensor[]): string {
  return `${name}, put together from ${parts.length} parts (the first in ${parts[0]!.storage.source.name})`;
}
