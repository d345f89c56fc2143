import { describe, expect, it } from 'vitest';
import { countParameters } from '../../src/checkpoint/count-parameters.ts';
import type { Dtype } from '../../src/tensor/dtype.ts';
import { contiguousStrides, type LazyTensor } from '../../src/tensor/lazy-tensor.ts';

function tensor(name: string, shape: number[], key = name, dtype: Dtype = 'float16'): [string, LazyTensor] {
  const elementCount = shape.reduce((product, size) => product * size, 1);
  const source = { name: 'test.bin', sizeBytes: 0, readInto: async () => undefined };
  const storage = { key, dtype, elementCount, source };
  return [name, { name, dtype, shape, strides: contiguousStrides(shape), offset: 0, storage }];
}

describe('countParameters', () => {
  it('counts tied weights once and buffers not at all', () => {
    const tensors = new Map([
      tensor('wte.weight', [5, 2], 'table'),
      tensor('lm_head.weight', [5, 2], 'table'),
      tensor('ln_f.bias', [2]),
      tensor('position_ids', [1, 8], 'ids', 'int64'),
      tensor('h.0.attn.bias', [8, 8], 'mask', 'uint8'),
    ]);
    expect(countParameters({ tensors })).toBe(12);
  });
});
