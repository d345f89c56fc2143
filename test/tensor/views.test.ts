import { describe, expect, it } from 'vitest';
import {
  contiguousStrides,
  elementCountOf,
  type LazyTensor,
  readFloat32,
  rowChunks,
} from '../../src/tensor/lazy-tensor.ts';
import { concatenated, renamed, rowsOf, transposed } from '../../src/tensor/views.ts';

function tensor(shape: number[], first = 0, key = `k${first}`): LazyTensor {
  const values = Float32Array.from({ length: elementCountOf(shape) }, (_, i) => first + i);
  const bytes = new Uint8Array(values.buffer);
  const source = {
    name: key,
    sizeBytes: bytes.length,
    async readInto(target: Uint8Array, offset: number) {
      if (offset + target.length > bytes.length) throw new Error('beyond the source');
      target.set(bytes.subarray(offset, offset + target.length));
    },
  };
  const storage = { key, dtype: 'float32' as const, elementCount: values.length, source };
  return { name: key, dtype: 'float32', shape, strides: contiguousStrides(shape), offset: 0, storage };
}

const read = async (view: LazyTensor): Promise<number[]> => Array.from(await readFloat32(view));

async function inChunks(view: LazyTensor, maxBytes: number): Promise<number[]> {
  const values: number[] = [];
  for await (const chunk of rowChunks(view, maxBytes)) values.push(...chunk);
  return values;
}

describe('views', () => {
  it('take rows, steps of rows and the transpose from the same storage', async () => {
    const whole = tensor([6, 2]);
    expect(await read(rowsOf(whole, 2, 2))).toEqual([4, 5, 6, 7]);
    expect(await read(rowsOf(whole, 1, 2, 3))).toEqual([2, 3, 8, 9]);
    expect(await read(transposed(rowsOf(whole, 4, 2)))).toEqual([8, 10, 9, 11]);
    expect(await read(rowsOf(tensor([6]), 1, 2, 3))).toEqual([1, 4]);
    expect(renamed(whole, 'x')).toMatchObject({ name: 'x', storage: { key: 'k0' } });
  });
});

describe('concatenated', () => {
  it('stacks parts along dimension 0, dense ones and views', async () => {
    const parts = [tensor([2, 3]), transposed(tensor([3, 2], 100)), rowsOf(tensor([6, 3], 200), 0, 2, 3)];
    const whole = concatenated('w', 'key', parts);
    expect(whole).toMatchObject({
      name: 'w',
      shape: [6, 3],
      strides: [3, 1],
      storage: { key: 'key', elementCount: 18 },
    });
    const expected = [0, 1, 2, 3, 4, 5, 100, 102, 104, 101, 103, 105, 200, 201, 202, 209, 210, 211];
    expect(await read(whole)).toEqual(expected);
    for (const maxBytes of [4, 12, 24, 60]) expect(await inChunks(whole, maxBytes)).toEqual(expected);
    expect(await read(rowsOf(whole, 1, 3))).toEqual(expected.slice(3, 12));
  });

  it('sets parts side by side along dimension 1', async () => {
    const whole = concatenated('w', 'key', [tensor([3, 2]), tensor([3, 1], 50), transposed(tensor([2, 3], 80))], 1);
    const expected = [0, 1, 50, 80, 83, 2, 3, 51, 81, 84, 4, 5, 52, 82, 85];
    expect(whole.shape).toEqual([3, 5]);
    expect(await read(whole)).toEqual(expected);
    expect(await inChunks(whole, 20)).toEqual(expected);
    expect(await read(transposed(whole))).toEqual([0, 2, 4, 1, 3, 5, 50, 51, 52, 80, 81, 82, 83, 84, 85]);
  });

  it('reads any stretch of bytes, also across parts and rows', async () => {
    for (const dimension of [0, 1] as const) {
      const parts = dimension === 0 ? [tensor([2, 3]), tensor([4, 3], 10)] : [tensor([3, 2]), tensor([3, 4], 10)];
      const { storage } = concatenated('w', 'key', parts, dimension);
      const all = new Uint8Array(storage.source.sizeBytes);
      await storage.source.readInto(all, 0);
      for (let from = 0; from < all.length; from += 5)
        for (let to = from; to <= all.length; to += 7) {
          const some = new Uint8Array(to - from);
          await storage.source.readInto(some, from);
          expect(some).toEqual(all.subarray(from, to));
        }
    }
  });

  it('nests, and leaves a single part as it is', async () => {
    const inner = concatenated('i', 'ki', [tensor([1, 2]), tensor([1, 2], 10)]);
    expect(await read(concatenated('o', 'ko', [inner, inner], 1))).toEqual([0, 1, 0, 1, 10, 11, 10, 11]);
    expect(concatenated('one', 'unused', [inner])).toEqual({ ...inner, name: 'one' });
  });

  it('refuses parts that do not fit together', () => {
    expect(() => concatenated('w', 'k', [tensor([2, 3]), tensor([2, 4])])).toThrow(
      /"w": .*dimension 0, found float32 \[2, 3\].*\[2, 4\]/,
    );
    expect(() => concatenated('w', 'k', [tensor([2, 3]), tensor([3, 3])], 1)).toThrow(/dimension 1/);
    expect(() => concatenated('w', 'k', [tensor([2]), tensor([2])], 1)).toThrow(/dimension 1/);
    expect(() => concatenated('w', 'k', [tensor([2]), { ...tensor([2]), dtype: 'float16' }])).toThrow(/float16/);
    expect(() => concatenated('w', 'k', [])).toThrow(/nothing to concatenate/);
  });
});
