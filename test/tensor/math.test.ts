import { describe, expect, it } from 'vitest';
import { argmax, cosine, logSumExp, meanRows, normalize, softmax, topK } from '../../src/tensor/math.ts';

describe('argmax and topK', () => {
  it('take the first of equal values', () => {
    expect(argmax(Float32Array.of(1, 3, 3, 2))).toBe(1);
    expect(topK(Float32Array.of(1, 3, 3, 2), 3)).toEqual([1, 2, 3]);
  });

  it('give nothing for an empty array', () => {
    expect(argmax(new Float32Array())).toBe(-1);
    expect(topK(new Float32Array(), 2)).toEqual([]);
  });

  it('agree with a full sort', () => {
    const values = Float32Array.from({ length: 500 }, (_, i) => Math.sin(i * 12.9898) * 43.758);
    const sorted = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
    expect(topK(values, 20)).toEqual(sorted.slice(0, 20));
  });
});

describe('softmax and logSumExp', () => {
  it('do not overflow', () => {
    expect(logSumExp(Float32Array.of(1000, 1000))).toBeCloseTo(1000 + Math.log(2), 10);
    expect([...softmax(Float32Array.of(1000, 1000))]).toEqual([0.5, 0.5]);
  });

  it('is as exact as Math.exp would make it', () => {
    for (let trial = 0; trial < 50; trial++) {
      const values = Float32Array.from({ length: 500 }, (_, i) => -Math.abs(Math.sin(i * 12.9898 + trial) * 70));
      const most = Math.max(...values);
      const exact = most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0));
      expect(Math.abs(logSumExp(values) - exact)).toBeLessThan(1e-9);
    }
  });

  it('ignore −∞', () => {
    expect([...softmax(Float32Array.of(Number.NEGATIVE_INFINITY, 0))]).toEqual([0, 1]);
  });
});

describe('vectors', () => {
  it('have cosines', () => {
    expect(cosine(Float32Array.of(1, 0), Float32Array.of(1, 1))).toBeCloseTo(Math.SQRT1_2, 12);
    expect(cosine(Float32Array.of(0, 0), Float32Array.of(1, 1))).toBe(0);
  });

  it('normalise and average', () => {
    expect([...normalize(Float32Array.of(3, 4))]).toEqual([Math.fround(0.6), Math.fround(0.8)]);
    expect([...meanRows(Float32Array.of(1, 2, 3, 6), 2)]).toEqual([2, 4]);
  });
});
