import { describe, expect, it } from 'vitest';
import { narrowFloat16, widenBfloat16, widenFloat16 } from '../../src/tensor/half.ts';

const BITS: [bits: number, value: number][] = [
  [0x0000, 0],
  [0x3c00, 1],
  [0xc000, -2],
  [0x3555, 0.333251953125],
  [0x7bff, 65504],
  [0x0400, 2 ** -14],
  [0x0001, 2 ** -24],
  [0x83ff, -(1023 / 1024) * 2 ** -14],
  [0x7c00, Number.POSITIVE_INFINITY],
];

describe('float16', () => {
  it.each(BITS)('widens %i to %d and narrows it back', (bits, value) => {
    expect(widenFloat16(Uint16Array.of(bits))[0]).toBe(value);
    expect(narrowFloat16(Float32Array.of(value))[0]).toBe(bits);
  });

  it('survives the round trip for every bit pattern that is a number', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((bits) => (bits & 0x7fff) <= 0x7c00);
    expect(narrowFloat16(widenFloat16(all))).toEqual(all);
  });

  it('keeps NaN a NaN', () => {
    expect(widenFloat16(narrowFloat16(Float32Array.of(Number.NaN)))[0]).toBeNaN();
  });

  it.each([
    [1 + 2 ** -11, 0x3c00], // half way between 1 and the next: to even, down
    [1 + 3 * 2 ** -11, 0x3c02], // half way: to even, up
    [1 + 2 ** -11 + 2 ** -20, 0x3c01],
    [65519, 0x7bff],
    [65520, 0x7c00], // half way to 65536, which float16 has not
    [2 ** -25, 0x0000],
    [2 ** -25 * 1.5, 0x0001],
    [2047 * 2 ** -25, 0x0400], // rounds up from the subnormals into the normals
  ])('rounds %d to nearest even', (value, bits) => {
    expect(narrowFloat16(Float32Array.of(value))[0]).toBe(bits);
  });
});

describe('bfloat16', () => {
  it('is the upper half of a float32', () => {
    expect([...widenBfloat16(Uint16Array.of(0x3f80, 0xc000, 0x7f80))]).toEqual([1, -2, Number.POSITIVE_INFINITY]);
  });
});
