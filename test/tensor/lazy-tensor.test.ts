import { describe, expect, it } from 'vitest';
import {
  type ByteSource,
  contiguousStrides,
  elementCountOf,
  extentOf,
  type LazyTensor,
  openRows,
  readFloat32,
  readStored,
  rowChunks,
  storedRowChunks,
} from '../../src/tensor/lazy-tensor.ts';

interface CountingSource extends ByteSource {
  bytesRead: number;
  reads: number;
}

function sourceOf(bytes: Uint8Array): CountingSource {
  const source: CountingSource = {
    name: 'test.bin',
    sizeBytes: bytes.length,
    bytesRead: 0,
    reads: 0,
    async readInto(target, offset) {
      source.reads++;
      source.bytesRead += target.length;
      if (offset + target.length > bytes.length) throw new Error('beyond the source');
      target.set(bytes.subarray(offset, offset + target.length));
    },
  };
  return source;
}

/** 0, 1, 2, … in a storage of float32, seen through a view. */
function counting(
  shape: number[],
  strides = contiguousStrides(shape),
  offset = 0,
): LazyTensor & { source: CountingSource } {
  const elementCount = offset + extentOf(shape, strides);
  const source = sourceOf(new Uint8Array(Float32Array.from({ length: elementCount }, (_, i) => i).buffer));
  const storage = { key: 's', dtype: 'float32' as const, elementCount, source };
  return { name: 't', dtype: 'float32', shape, strides, offset, storage, source };
}

/** What a view holds, one element at a time. */
function expectedOf({ shape, strides, offset }: LazyTensor): number[] {
  return Array.from({ length: elementCountOf(shape) }, (_, flat) => {
    let rest = flat;
    let at = offset;
    for (let d = shape.length - 1; d >= 0; d--) {
      at += (rest % shape[d]!) * strides[d]!;
      rest = Math.floor(rest / shape[d]!);
    }
    return at;
  });
}

async function allOf(chunks: AsyncIterable<Float32Array>): Promise<{ values: number[]; sizes: number[] }> {
  const values: number[] = [];
  const sizes: number[] = [];
  for await (const chunk of chunks) {
    sizes.push(chunk.length);
    for (const value of chunk) values.push(value);
  }
  return { values, sizes };
}

const VIEWS: [what: string, view: LazyTensor][] = [
  ['contiguous', counting([5, 7])],
  ['contiguous with an offset', counting([5, 7], [7, 1], 11)],
  ['transposed', counting([70, 50], [1, 70])],
  ['a column window', counting([40, 3], [64, 1], 5)],
  ['every third row', counting([33, 8], [24, 1], 8)],
  ['every third element', counting([100], [3], 2)],
  ['three dimensions, permuted', counting([4, 5, 6], [1, 24, 4])],
  ['a vector', counting([9])],
  ['a scalar', counting([], [], 3)],
  ['one row of one', counting([1, 1], [0, 0], 2)],
];

describe('readFloat32', () => {
  it.each(VIEWS)('%s: row-major, whatever the strides', async (_, view) => {
    expect(Array.from(await readFloat32(view))).toEqual(expectedOf(view));
  });

  it('reads a range of rows', async () => {
    expect(Array.from(await readFloat32(counting([4, 2]), 1, 3))).toEqual([2, 3, 4, 5]);
    expect(Array.from(await readFloat32(counting([3, 2], [1, 3]), 2, 3))).toEqual([2, 5]);
  });

  it('reads only what a sparse view needs, in stretches', async () => {
    const wide = counting([64, 10], [20_000, 1], 7);
    expect(Array.from(await readFloat32(wide))).toEqual(expectedOf(wide));
    expect(wide.source.bytesRead).toBeLessThan(0.1 * wide.source.sizeBytes + 64 * 1024 * 4 * 22);
    const sparse = counting([100_000], [11]);
    expect(Array.from(await readFloat32(sparse))).toEqual(expectedOf(sparse));
    expect(sparse.source.reads).toBeLessThan(25);
  });

  it('refuses integers', async () => {
    const ints = { ...counting([2]), dtype: 'int32' as const };
    await expect(readFloat32(ints)).rejects.toMatchObject({ code: 'bad-tensor' });
    await expect(rowChunks(ints).next()).rejects.toMatchObject({ code: 'bad-tensor' });
  });
});

describe('readStored', () => {
  it('keeps the bytes of any width', async () => {
    const bytes = Uint8Array.from({ length: 48 }, (_, i) => i);
    const widths = [
      ['uint8', 1],
      ['int16', 2],
      ['int32', 4],
      ['int64', 8],
    ] as const;
    for (const [dtype, width] of widths) {
      const storage = { key: 's', dtype, elementCount: 6, source: sourceOf(bytes.subarray(0, 6 * width)) };
      const view: LazyTensor = { name: 't', dtype, shape: [3, 2], strides: [1, 3], offset: 0, storage };
      const expected = expectedOf(view).flatMap((element) =>
        Array.from({ length: width }, (_, b) => element * width + b),
      );
      expect(Array.from(await readStored(view)), dtype).toEqual(expected);
    }
  });

  it('repeats along a stride of 0', async () => {
    const storage = {
      key: 's',
      dtype: 'int64' as const,
      elementCount: 2,
      source: sourceOf(new Uint8Array(BigInt64Array.of(8n, 9n).buffer)),
    };
    const view: LazyTensor = { name: 't', dtype: 'int64', shape: [3, 2], strides: [0, 1], offset: 0, storage };
    expect(new BigInt64Array((await readStored(view)).buffer)).toEqual(BigInt64Array.of(8n, 9n, 8n, 9n, 8n, 9n));
  });
});

describe('rowChunks', () => {
  it.each(VIEWS)('%s: the same numbers in chunks of every size', async (_, view) => {
    for (const maxBytes of [1, 40, 300, 4096, 1 << 20])
      expect((await allOf(rowChunks(view, maxBytes))).values).toEqual(expectedOf(view));
  });

  it('yields whole rows, as many as fit', async () => {
    expect((await allOf(rowChunks(counting([5, 4]), 40))).sizes).toEqual([8, 8, 4]);
    expect((await allOf(rowChunks(counting([2, 100]), 40))).sizes).toEqual([100, 100]);
    expect((await allOf(rowChunks(counting([1, 1, 4, 4]), 40))).sizes).toEqual([8, 8]);
    expect((await allOf(rowChunks(counting([0, 4]), 40))).sizes).toEqual([]);
  });

  it('reads a transposed weight once, not once for each chunk', async () => {
    const transposed = counting([300, 200], [1, 300]);
    await allOf(rowChunks(transposed, 300 * 4 * 8));
    expect(transposed.source.bytesRead).toBe(transposed.source.sizeBytes);
  });

  it('reads a contiguous tensor chunk by chunk', async () => {
    const dense = counting([100, 50]);
    await allOf(rowChunks(dense, 50 * 4 * 10));
    expect([dense.source.reads, dense.source.bytesRead]).toEqual([10, dense.source.sizeBytes]);
  });

  it('gives the bytes of integers too', async () => {
    const storage = {
      key: 's',
      dtype: 'uint8' as const,
      elementCount: 5,
      source: sourceOf(Uint8Array.of(1, 2, 3, 4, 5)),
    };
    const view: LazyTensor = { name: 't', dtype: 'uint8', shape: [5], strides: [1], offset: 0, storage };
    const chunks: number[][] = [];
    for await (const chunk of storedRowChunks(view, 2)) chunks.push([...chunk]);
    expect(chunks).toEqual([[1, 2], [3, 4], [5]]);
  });
});

describe('openRows', () => {
  const memory = (length: number): Uint8Array => new Uint8Array(length);

  async function numbersOf(view: LazyTensor, from: number, to: number, step: number): Promise<number[]> {
    const read = await openRows(view, memory);
    const columns = elementCountOf(view.shape.slice(1));
    const numbers: number[] = [];
    for (let block = from; block < to; block += step) {
      const count = Math.min(step, to - block);
      const { bytes, at, rowStride, columnStride } = await read(block, block + count);
      const stored = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
      for (let r = 0; r < count; r++)
        for (let c = 0; c < columns; c++) numbers.push(stored[at + r * rowStride + c * columnStride]!);
    }
    return numbers;
  }

  it.each(VIEWS)('%s: the same numbers in blocks of every size', async (_, view) => {
    const rows = view.shape[0] ?? 1;
    for (const step of [1, 3, 1000]) expect(await numbersOf(view, 0, rows, step)).toEqual(expectedOf(view));
  });

  it('reads a transposed weight once, and rows of a dense one only when asked for', async () => {
    const transposed = counting([30, 20], [1, 30]);
    await numbersOf(transposed, 0, 30, 7);
    expect([transposed.source.reads, transposed.source.bytesRead]).toEqual([1, transposed.source.sizeBytes]);
    const dense = counting([30, 20]);
    await numbersOf(dense, 4, 6, 2);
    expect([dense.source.reads, dense.source.bytesRead]).toEqual([1, 2 * 20 * 4]);
  });
});
