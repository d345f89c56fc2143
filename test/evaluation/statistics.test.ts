import { describe, expect, it } from 'vitest';
import { bootstrapInterval, isInside, mcNemarExact, wilsonInterval } from '../../src/evaluation/statistics.ts';

describe('wilsonInterval', () => {
  it('gives the values of Newcombe 1998, table I, method 3', () => {
    for (const [correct, total, low, high] of [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const) {
      const interval = wilsonInterval(correct, total);
      expect(interval[0]).toBeCloseTo(low, 4);
      expect(interval[1]).toBeCloseTo(high, 4);
    }
  });

  it('mirrors right and wrong and stays within 0 and 1', () => {
    expect(wilsonInterval(20, 20)[1]).toBe(1);
    expect(wilsonInterval(20, 20)[0]).toBeCloseTo(1 - 0.1611, 4);
    expect(wilsonInterval(0, 1)[0]).toBe(0);
  });

  it('refuses counts that make no share', () => {
    for (const [correct, total] of [
      [0, 0],
      [3, 2],
      [-1, 2],
      [Number.NaN, 1],
    ] as const)
      expect(() => wilsonInterval(correct, total)).toThrow(RangeError);
  });
});

describe('isInside', () => {
  it('counts the ends as inside', () => {
    expect([0.1, 0.2, 0.3, 0.31].map((value) => isInside(value, [0.1, 0.3]))).toEqual([true, true, true, false]);
  });
});

describe('mcNemarExact', () => {
  it('is twice the binomial tail', () => {
    expect(mcNemarExact(1, 7)).toBeCloseTo((2 * (1 + 8)) / 256, 12);
    expect(mcNemarExact(0, 5)).toBeCloseTo(0.0625, 12);
    expect(mcNemarExact(7, 1)).toBe(mcNemarExact(1, 7));
  });

  it('is 1 where the models are equal', () => {
    expect(mcNemarExact(0, 0)).toBe(1);
    expect(mcNemarExact(6, 6)).toBe(1);
  });

  it('holds for counts whose powers of two overflow', () => {
    expect(mcNemarExact(2400, 2600)).toBeCloseTo(0.004883649737517518, 12); // by exact fractions
    expect(mcNemarExact(0, 3000)).toBe(0);
  });
});

describe('the bootstrap interval', () => {
  it('is that of Wilson for shares, within its own noise, and the same each time', () => {
    const values = Array.from({ length: 1000 }, (_, i) => (i < 700 ? 1 : 0));
    const [low, high] = bootstrapInterval(values);
    const [wilsonLow, wilsonHigh] = wilsonInterval(700, 1000);
    expect(low).toBeCloseTo(wilsonLow, 2);
    expect(high).toBeCloseTo(wilsonHigh, 2);
    expect(bootstrapInterval(values)).toEqual([low, high]);
  });

  it('is a point where all values are one, and needs a value', () => {
    expect(bootstrapInterval([0.5, 0.5, 0.5])).toEqual([0.5, 0.5]);
    expect(() => bootstrapInterval([])).toThrow(RangeError);
  });
});
