import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planBatches } from '../../src/evaluation/batches.ts';

describe('planBatches', () => {
  it('groups rows of like length, longest first, ties in file order', () => {
    expect(planBatches([3, 10, 4, 10, 3, 3], 20)).toEqual([
      [1, 3],
      [2, 0, 4, 5],
    ]);
  });

  it('plans nothing for no rows', () => {
    expect(planBatches([], 8)).toEqual([]);
  });

  it('holds every row once and never more than the budget', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 64 })), fc.integer({ min: 64, max: 512 }), (lengths, budget) => {
        const batches = planBatches(lengths, budget);
        expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        for (const batch of batches)
          expect(batch.length * Math.max(...batch.map((i) => lengths[i]!))).toBeLessThanOrEqual(budget);
      }),
    );
  });

  it('refuses a budget that one row exceeds, and says which would do', () => {
    expect(() => planBatches([5, 128], 64)).toThrow(
      expect.objectContaining({ code: 'batch-tokens', exitCode: 2, hint: 'use at least 128 tokens per batch' }),
    );
  });

  it('refuses a budget that is no positive whole number', () => {
    for (const budget of [0, -1, 1.5, Number.NaN])
      expect(() => planBatches([1], budget)).toThrow(expect.objectContaining({ code: 'batch-tokens' }));
  });
});
