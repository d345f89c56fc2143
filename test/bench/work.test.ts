import { describe, expect, it } from 'vitest';
import { planShapes } from '../../src/bench/shapes.ts';
import { type MatrixWork, sharesOf } from '../../src/bench/work.ts';
import { benchDocument } from './rows.ts';

const work: MatrixWork = { perToken: 1e6, perSequence: 1e5, bytesPerStep: 2e6, arithmetic: 'int8' };
const limits = benchDocument([]).limits!;
const none = { examplesPerSecond: null, prefillTokensPerSecond: null, decodeTokensPerSecond: null };

describe('shares of the limits', () => {
  it('a step of a decoder reads its weights once for all rows', () => {
    const shares = sharesOf(
      'decoder',
      { batch: 2, sequence: 10 },
      { ...none, decodeTokensPerSecond: 4000 },
      work,
      limits,
    );
    expect(shares).toEqual({ decodeBandwidthShare: 0.2, prefillPeakShare: null, examplesPeakShare: null });
  });

  it('examples and prompts are two operations a weight and token, in the arithmetic of the weights', () => {
    const shares = sharesOf('encoder', { batch: 8, sequence: 10 }, { ...none, examplesPerSecond: 1000 }, work, limits);
    expect(shares.examplesPeakShare).toBeCloseTo((1000 * 2 * (10 * 1e6 + 1e5)) / 400e9, 12);
  });
});

describe('shapes', () => {
  const base = { kind: 'encoder', maxLength: 512, newTokens: 64 } as const;

  it('defaults are shortened to what the model takes', () => {
    expect(planShapes({ ...base, maxLength: 50 })).toEqual([
      { batch: 1, sequence: 50 },
      { batch: 8, sequence: 50 },
      { batch: 32, sequence: 50 },
    ]);
    expect(planShapes({ ...base, kind: 'decoder', maxLength: 150 })).toEqual([{ batch: 1, sequence: 86 }]);
  });

  it('what was asked for is every batch with every sequence', () => {
    expect(planShapes({ ...base, batches: [1, 4], sequences: [16, 32] })).toHaveLength(4);
    expect(planShapes({ ...base, batches: [4] })).toEqual([{ batch: 4, sequence: 128 }]);
  });

  it('refuses a length that does not fit, and new tokens that leave no room', () => {
    expect(() => planShapes({ ...base, sequences: [513] })).toThrow('--sequence 513: the model takes at most 512');
    expect(() => planShapes({ ...base, kind: 'decoder', maxLength: 64 })).toThrow('--new-tokens 64');
  });
});
