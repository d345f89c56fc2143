import { describe, expect, it } from 'vitest';
import {
  blockMaskTensor,
  checkTensor,
  float32Tensor,
  int64Tensor,
  type Tensor,
  toFloat32,
  toNumbers,
  zeros,
} from '../../src/engine/tensor.ts';
import { UnsupportedError, UsageError } from '../../src/util/errors.ts';

describe('blockMaskTensor', () => {
  it('parts blocks from one another, and from nothing else', () => {
    const { shape, data } = blockMaskTensor([
      [0, 1, 2],
      [2, 2],
    ]);
    expect(shape).toEqual([2, 3, 3]);
    expect(Array.from(data, Number)).toEqual([1, 1, 1, 1, 1, 0, 1, 0, 1, ...[1, 1, 1, 1, 1, 1, 1, 1, 1]]);
  });
});

describe('int64Tensor', () => {
  it('makes rows of one length, filled on the right', () => {
    expect(
      int64Tensor(
        [
          [101, 2769, 102],
          [101, 102],
        ],
        7,
      ),
    ).toEqual({
      dtype: 'int64',
      shape: [2, 3],
      data: BigInt64Array.of(101n, 2769n, 102n, 101n, 102n, 7n),
    });
    expect(int64Tensor([[-1]])).toEqual({ dtype: 'int64', shape: [1, 1], data: BigInt64Array.of(-1n) });
  });

  it('takes no rows and empty rows', () => {
    expect(int64Tensor([]).shape).toEqual([0, 0]);
    expect(int64Tensor([[], []]).shape).toEqual([2, 0]);
  });

  it.each([1.5, Number.NaN, 2 ** 60])('refuses %s, with its place', (value) => {
    expect(() => int64Tensor([[1], [2, value]])).toThrow(`row 1, column 1: expected an integer, found ${value}`);
  });
});

describe('numbers out of a tensor', () => {
  it('float32 as it is, float16 widened', () => {
    const data = Float32Array.of(1, 2);
    expect(toFloat32(float32Tensor(data, [2]))).toBe(data);
    expect(toFloat32({ dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0xc000) })).toEqual(
      Float32Array.of(1, -2),
    );
    expect(() => toFloat32(zeros('int32', [1]))).toThrow(UsageError);
  });

  it('integers as numbers, unless they would lose digits', () => {
    expect(toNumbers(int64Tensor([[3, -4]]))).toEqual([3, -4]);
    expect(toNumbers({ dtype: 'int32', shape: [2], data: Int32Array.of(5, 6) })).toEqual([5, 6]);
    const large: Tensor = { dtype: 'int64', shape: [1], data: BigInt64Array.of(2n ** 60n) };
    expect(() => toNumbers(large)).toThrow(UnsupportedError);
  });
});

describe('checkTensor', () => {
  const info = { name: 'x', dtype: 'float32', shape: ['batch_size', 2], optional: false };

  it('accepts what the graph declares', () => {
    checkTensor('input', info, zeros('float32', [0, 2]));
    checkTensor('input', info, zeros('float32', [7, 2]));
    checkTensor('input', { ...info, shape: [] }, zeros('float32', []));
  });

  it('refuses shared memory, which only one of the bindings could take', () => {
    const data = new Float32Array(new SharedArrayBuffer(8));
    expect(() => checkTensor('input', info, float32Tensor(data, [1, 2]))).toThrow('shared memory');
  });
});
