/** Guesses from the text so far. */
import { describe, expect, it } from 'vitest';
import { PromptLookup } from '../../src/generation/prompt-lookup.ts';

describe('PromptLookup', () => {
  it('guesses what followed the last tokens where they occurred last', () => {
    expect(new PromptLookup().guess([1, 2, 3, 4, 1, 2, 9, 8, 1, 2], 7)).toEqual([9, 8, 1]);
    expect(new PromptLookup().guess([1, 2, 3, 1, 2], 1)).toEqual([3]);
  });

  it('prefers where more of the last tokens occurred', () => {
    expect(new PromptLookup().guess([5, 1, 2, 3, 6, 1, 2, 4, 5, 1, 2], 1)).toEqual([3]);
  });

  it('guesses nothing for one repeated token alone, without room, or for a short text', () => {
    expect(new PromptLookup().guess([1, 2, 3, 1], 7)).toEqual([]);
    expect(new PromptLookup().guess([1, 2, 3, 1, 2], 0)).toEqual([]);
    expect(new PromptLookup().guess([1], 7)).toEqual([]);
    expect(new PromptLookup().guess([], 7)).toEqual([]);
  });

  it('guesses more after successes, up to a limit', () => {
    const lookup = new PromptLookup();
    const ids = Array.from({ length: 60 }, (_, i) => i % 20);
    const lengths: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { length } = lookup.guess(ids, 100);
      lengths.push(length);
      lookup.learn(length, length);
    }
    expect(lengths).toEqual([3, 6, 7]);
  });

  it('pauses after failures, longer each time, and starts anew after a success', () => {
    const lookup = new PromptLookup();
    const ids = [1, 2, 3, 1, 2];
    const pauses: number[] = [];
    for (let miss = 0; miss < 6; miss++) {
      let pause = 0;
      while (lookup.guess(ids, 7).length === 0) pause++;
      pauses.push(pause);
      lookup.learn(3, 0);
    }
    expect(pauses).toEqual([0, 1, 2, 4, 8, 16]);
    while (lookup.guess(ids, 7).length === 0);
    lookup.learn(3, 1);
    expect(lookup.guess(ids, 7)).toEqual([3, 1]);
  });
});
