import { describe, expect, it } from 'vitest';
import { median, quantile, summarize } from '../../src/bench/statistics.ts';

describe('statistics of trials', () => {
  it('the median of an even number is the mean of the middle two', () => {
    expect(median([4, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it('a quantile of few values is the largest', () => {
    expect(quantile([3, 1, 2], 0.95)).toBe(3);
  });

  it('sums up trials with their spread relative to the median', () => {
    expect(summarize([10, 8, 12])).toEqual({ median: 10, min: 8, max: 12, spread: 0.4, trials: [10, 8, 12] });
    expect(() => summarize([])).toThrow('one trial');
  });
});
