import { describe, expect, it } from 'vitest';
import { npyBytes } from '../../src/tensor/npy.ts';

describe('npyBytes', () => {
  it.each([
    [[2, 3], '(2, 3)'],
    [[6], '(6,)'],
    [[], '()'],
  ])('writes shape %j as numpy does', (shape, tuple) => {
    const values = Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => i / 4);
    const bytes = Buffer.from(npyBytes(values, shape));
    expect(bytes.subarray(0, 8).toString('latin1')).toBe('\x93NUMPY\x01\x00');
    const length = bytes.readUInt16LE(8);
    expect((10 + length) % 64).toBe(0);
    const header = bytes.subarray(10, 10 + length).toString('latin1');
    expect(header).toContain(`'shape': ${tuple}`);
    expect(header.endsWith('\n')).toBe(true);
    expect(bytes.subarray(10 + length)).toEqual(Buffer.from(values.buffer));
  });
});
