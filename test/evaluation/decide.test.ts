import { describe, expect, it } from 'vitest';
import { decide } from '../../src/evaluation/decide.ts';
import { NOT_OFFERED } from '../../src/evaluation/predict.ts';

const row = (scores: readonly number[], group?: number) => ({ scores: Float32Array.from(scores), group });

describe('an answer', () => {
  it('is the best label where rows stand alone', () => {
    expect(decide([row([1, 2]), row([3, 2]), row([1, 2])])).toEqual([1, 0, 1]);
  });

  it('is given out once within a group, best pair first', () => {
    // both want 0; the second wants it more, the first takes its next best
    expect(decide([row([5, 4, 0], 1), row([6, 1, 0], 1)])).toEqual([1, 0]);
    // groups do not see each other, nor rows outside of any
    expect(decide([row([5, 4], 1), row([6, 1], 2), row([9, 1])])).toEqual([0, 0, 0]);
  });

  it('stays the best one where candidates run out, and is never one that was not offered', () => {
    expect(decide([row([2, 1], 1), row([3, 1], 1), row([1, 0], 1)])).toEqual([1, 0, 0]);
    expect(decide([row([2, NOT_OFFERED], 1), row([3, NOT_OFFERED], 1)])).toEqual([0, 0]);
  });
});
