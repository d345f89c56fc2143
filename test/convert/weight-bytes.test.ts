import { describe, expect, it } from 'vitest';
import { WeightBuffers } from '../../src/convert/weight-buffers.ts';
import { findFloat16Overflow, weightChunks } from '../../src/convert/weight-bytes.ts';
import type { Weight, WeightSource } from '../../src/onnx/graph.ts';
import { narrowFloat16, widenFloat16 } from '../../src/tensor/half.ts';
import { contiguousStrides, type LazyTensor } from '../../src/tensor/lazy-tensor.ts';
import { transposed } from '../../src/tensor/views.ts';

/** A float16 tensor of whole numbers from `first` on. */
function tensor(name: string, shape: number[], first: number): LazyTensor {
  const elementCount = shape.reduce((product, size) => product * size, 1);
  return tensorOf(
    name,
    shape,
    'float16',
    narrowFloat16(Float32Array.from({ length: elementCount }, (_, i) => first + i)),
  );
}

function tensorOf(name: string, shape: number[], dtype: 'float16' | 'float32', values: ArrayBufferView): LazyTensor {
  const bytes = new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
  const source = {
    name: 'test.bin',
    sizeBytes: bytes.length,
    readInto: async (target: Uint8Array, offset: number) => target.set(bytes.subarray(offset, offset + target.length)),
  };
  const elementCount = shape.reduce((product, size) => product * size, 1);
  return {
    name,
    dtype,
    shape,
    strides: contiguousStrides(shape),
    offset: 0,
    storage: { key: name, dtype, elementCount, source },
  };
}

async function numbersOf(
  shape: number[],
  source: WeightSource,
  tensors: LazyTensor[],
  dtype: 'float32' | 'float16' = 'float32',
): Promise<number[]> {
  const weight: Weight = { name: 'w', shape, dtype, source };
  const numbers: number[] = [];
  const named = new Map(tensors.map((one) => [one.name, one]));
  for await (const { buffer, byteOffset, byteLength } of weightChunks(weight, named, new WeightBuffers()))
    numbers.push(
      ...(dtype === 'float32'
        ? new Float32Array(buffer, byteOffset, byteLength / 4)
        : widenFloat16(new Uint16Array(buffer as ArrayBuffer, byteOffset, byteLength / 2))),
    );
  return numbers;
}

const checkpoint = (tensors: string[], transpose = false): WeightSource => ({ kind: 'checkpoint', tensors, transpose });

describe('weightChunks', () => {
  const a = tensor('a', [2, 3], 0);
  const b = tensor('b', [1, 3], 6);

  it.each(['float32', 'float16'] as const)(
    'puts parts one below the other, or turned side by side, as %s',
    async (dtype) => {
      expect(await numbersOf([3, 3], checkpoint(['a', 'b']), [a, b], dtype)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
      expect(await numbersOf([3, 3], checkpoint(['a', 'b'], true), [a, b], dtype)).toEqual([0, 3, 6, 1, 4, 7, 2, 5, 8]);
    },
  );

  it('turns a transposed view back without copying it first', async () => {
    const view = { ...transposed(a), name: 'view' }; // (3, 2)
    expect(await numbersOf([2, 3], checkpoint(['view'], true), [view])).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await numbersOf([3, 2], checkpoint(['view']), [view])).toEqual([0, 3, 1, 4, 2, 5]);
  });

  it('joins biases', async () => {
    expect(await numbersOf([4], checkpoint(['q', 'k']), [tensor('q', [2], 1), tensor('k', [2], 8)])).toEqual([
      1, 2, 8, 9,
    ]);
  });

  it('fills heads up with zeros', async () => {
    const heads = { dimension: 0, headSize: 2, paddedSize: 3 } as const;
    const source: WeightSource = { kind: 'checkpoint', tensors: ['q'], transpose: false, heads };
    expect(await numbersOf([6], source, [tensor('q', [4], 1)])).toEqual([1, 2, 0, 3, 4, 0]);
  });

  it('keeps a chunk as it is while the next is made', async () => {
    const rows = 3 * 1024;
    const large = tensorOf(
      'large',
      [rows, 1024],
      'float32',
      Float32Array.from({ length: rows * 1024 }, (_, i) => i),
    );
    const weight: Weight = { name: 'w', shape: [rows, 1024], dtype: 'float32', source: checkpoint(['large']) };
    let before: Uint8Array | undefined;
    const firsts: number[] = [];
    for await (const chunk of weightChunks(weight, new Map([['large', large]]))) {
      if (before) firsts.push(new Float32Array(before.buffer, before.byteOffset, 1)[0]!);
      before = chunk;
    }
    expect(firsts).toEqual([0]); // 8 MiB hold 2048 rows
  });

  it('names the tensor and the number that is not finite', async () => {
    const bad = tensorOf('bad', [1, 2], 'float32', Float32Array.of(1, Number.NEGATIVE_INFINITY));
    await expect(numbersOf([1, 2], checkpoint(['bad']), [bad])).rejects.toMatchObject({
      code: 'not-finite',
      message: expect.stringContaining('"bad" in test.bin: -Infinity'),
    });
  });
});

describe('findFloat16Overflow', () => {
  it('finds numbers beyond ±65504', async () => {
    const tensors = [
      tensorOf('fits', [1, 2], 'float32', Float32Array.of(1, -65504)),
      tensorOf('large', [1, 2], 'float32', Float32Array.of(1, -65520)),
    ];
    const weights = tensors.map(
      ({ name, shape }): Weight => ({ name, shape, dtype: 'float16', source: checkpoint([name]) }),
    );
    expect(await findFloat16Overflow(weights, new Map(tensors.map((one) => [one.name, one])))).toEqual(
      new Set(['large']),
    );
  });
});
