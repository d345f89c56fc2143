import { describe, expect, it } from 'vitest';
import { columnMaxima } from '../../src/tensor/column-maxima.ts';
import type { Dtype } from '../../src/tensor/dtype.ts';
import { narrowFloat16 } from '../../src/tensor/half.ts';
import { contiguousStrides, type LazyTensor } from '../../src/tensor/lazy-tensor.ts';
import { transposed } from '../../src/tensor/views.ts';

const ROWS = [
  [1, -2, 0],
  [-3, 0.5, 0],
  [2, 1.5, -0],
];

function tensor(dtype: Dtype, shape: number[], { buffer }: { buffer: ArrayBufferLike }): LazyTensor {
  const bytes = new Uint8Array(buffer);
  const source = {
    name: 'test.bin',
    sizeBytes: bytes.length,
    readInto: async (target: Uint8Array, offset: number) => target.set(bytes.subarray(offset, offset + target.length)),
  };
  const storage = { key: dtype, dtype, elementCount: 9, source };
  return { name: 'm', dtype, shape, strides: contiguousStrides(shape), offset: 0, storage };
}

const FLOATS = Float32Array.from(ROWS.flat());
/** These numbers need no more bits than bfloat16 has. */
const STORED = {
  float32: FLOATS,
  float64: Float64Array.from(FLOATS),
  float16: narrowFloat16(FLOATS),
  bfloat16: Uint16Array.from(new Uint32Array(FLOATS.buffer), (word) => word >>> 16),
};

describe('columnMaxima', () => {
  it.each(Object.keys(STORED) as (keyof typeof STORED)[])('of %s: the largest magnitude per column', async (dtype) => {
    const matrix = tensor(dtype, [3, 3], STORED[dtype]);
    expect([...(await columnMaxima(matrix))]).toEqual([3, 2, 0]);
    expect([...(await columnMaxima(transposed(matrix)))]).toEqual([2, 3, 2]);
  });

  it('goes over many chunks', async () => {
    const tall = new Uint16Array(3 * 400_000);
    tall.set(narrowFloat16(Float32Array.of(-7, 8, 9)), tall.length - 3);
    expect([...(await columnMaxima(tensor('float16', [400_000, 3], tall)))]).toEqual([7, 8, 9]);
  });

  it('refuses integers', async () => {
    const integers = tensor('int64', [1, 1], BigInt64Array.of(1n));
    await expect(columnMaxima(integers)).rejects.toMatchObject({ code: 'bad-tensor' });
  });
});
