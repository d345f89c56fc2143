import { describe, expect, it } from 'vitest';
import { keptRange, tokensToRemove } from '../../src/tokenizers/truncation.ts';

describe('tokensToRemove', () => {
  it.each([
    // length, pair, excess, strategy → from text, from pair
    [4, 4, 3, 'longest-first', [1, 2]], // a tie goes against the pair
    [9, 3, 4, 'longest-first', [4, 0]],
    [3, 9, 8, 'longest-first', [1, 7]],
    [10, undefined, 4, 'longest-first', [4, 0]],
    [3, undefined, 3, 'longest-first', [0, 0]], // too short to give it: stays as it is
    [5, 9, 4, 'only-first', [4, 0]],
    [4, 9, 4, 'only-first', [0, 0]],
    [4, 9, 4, 'only-second', [0, 4]],
    [4, undefined, 2, 'only-second', [0, 0]],
    [4, 4, 0, 'longest-first', [0, 0]],
    [4, 4, -3, 'only-first', [0, 0]],
  ] as const)('%j and %j lose %j %s: %j', (length, pair, excess, strategy, expected) => {
    expect(tokensToRemove(length, pair, excess, strategy)).toEqual(expected);
  });
});

it('cuts at the side asked for, to nothing at most', () => {
  expect([keptRange(5, 2, 'right'), keptRange(5, 2, 'left'), keptRange(2, 5, 'left')]).toEqual([
    [0, 3],
    [2, 5],
    [2, 2],
  ]);
});
