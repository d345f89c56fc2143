import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hashTensor } from '../../src/checkpoint/fingerprint.ts';
import { DTYPES, type Dtype } from '../../src/tensor/dtype.ts';
import { contiguousStrides, type LazyTensor } from '../../src/tensor/lazy-tensor.ts';
import { memorySource, numbers } from './building.ts';

function tensor(
  dtype: Dtype,
  stored: ArrayBufferView,
  shape: number[],
  strides = contiguousStrides(shape),
): LazyTensor {
  const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
  const elementCount = bytes.length / DTYPES[dtype].bytes;
  const storage = { key: 's', dtype, elementCount, source: memorySource(bytes) };
  return { name: 't', dtype, shape, strides, offset: 0, storage };
}

const sha256 = (text: string, values: Uint8Array): string =>
  createHash('sha256').update(text).update(values).digest('hex');

describe('hashTensor', () => {
  it('is sha256 over kind, shape and float32 values', async () => {
    const values = Float32Array.of(1, -2, 0.5, 4);
    const expected = sha256('fsb.tensor/1 float32 2x2\n', new Uint8Array(values.buffer));
    expect(await hashTensor(tensor('float32', values, [2, 2]))).toBe(expected);
  });

  it('is the same for the same numbers in every floating type and layout', async () => {
    const hashes = await Promise.all(
      [
        tensor('float32', Float32Array.of(1, -2, 0.5, 4), [2, 2]),
        tensor('float64', Float64Array.of(1, -2, 0.5, 4), [2, 2]),
        tensor('float16', Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x4400), [2, 2]),
        tensor('bfloat16', Uint16Array.of(0x3f80, 0xc000, 0x3f00, 0x4080), [2, 2]),
        tensor('float32', Float32Array.of(1, 0.5, -2, 4), [2, 2], [1, 2]),
      ].map(hashTensor),
    );
    expect(new Set(hashes).size).toBe(1);
  });

  it('differs for another shape, and for another kind', async () => {
    const values = Float32Array.of(0, 0);
    const hashes = [
      await hashTensor(tensor('float32', values, [2, 1])),
      await hashTensor(tensor('float32', values, [1, 2])),
      await hashTensor(tensor('int32', values, [1, 2])),
    ];
    expect(new Set(hashes).size).toBe(3);
  });

  it('takes integers of every width as int64', async () => {
    const expected = sha256('fsb.tensor/1 int64 2\n', numbers([1, 8], [100, 8]));
    for (const stored of [
      tensor('int64', BigInt64Array.of(1n, 100n), [2]),
      tensor('int32', Int32Array.of(1, 100), [2]),
      tensor('int16', Int16Array.of(1, 100), [2]),
      tensor('int8', Int8Array.of(1, 100), [2]),
      tensor('uint8', Uint8Array.of(1, 100), [2]),
    ])
      expect(await hashTensor(stored), stored.dtype).toBe(expected);
    const negative = sha256('fsb.tensor/1 int64 1\n', new Uint8Array(BigInt64Array.of(-3n).buffer));
    expect(await hashTensor(tensor('int16', Int16Array.of(-3), [1]))).toBe(negative);
    const high = sha256('fsb.tensor/1 int64 1\n', numbers([255, 8]));
    expect(await hashTensor(tensor('uint8', Uint8Array.of(255), [1]))).toBe(high);
  });

  it('hashes a scalar and an empty tensor', async () => {
    expect(await hashTensor(tensor('float32', Float32Array.of(7), []))).toBe(
      sha256('fsb.tensor/1 float32 \n', new Uint8Array(Float32Array.of(7).buffer)),
    );
    expect(await hashTensor(tensor('float32', new Float32Array(0), [0, 4]))).toBe(
      sha256('fsb.tensor/1 float32 0x4\n', new Uint8Array(0)),
    );
  });
});
