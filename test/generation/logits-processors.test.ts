/** Processors against what they mean, token by token. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  forbidEarlyEnd,
  forbidPadding,
  forbidRepeatedNgrams,
  forbidSequences,
  forbidTokens,
  type LogitsProcessor,
  makeProcessors,
  penalizeRepetition,
} from '../../src/generation/logits-processors.ts';
import { normalizeOptions } from '../../src/generation/options.ts';

const COLUMNS = 5;
const idLists = fc.array(fc.nat(COLUMNS - 1), { minLength: 1, maxLength: 12 });

function forbidden(process: LogitsProcessor, ids: readonly number[], promptLength = 1): number[] {
  const logits = new Float32Array(COLUMNS);
  process(logits, { ids, promptLength });
  return [...logits.keys()].filter((id) => logits[id] === Number.NEGATIVE_INFINITY);
}

const includesRun = (ids: readonly number[], run: readonly number[]): boolean =>
  ids.some((_, start) => run.every((id, k) => ids[start + k] === id));

describe('processors', () => {
  it('divide positive and multiply negative logits of tokens that occurred, once each', () => {
    const logits = Float32Array.of(2, -2, 0, 5);
    penalizeRepetition(2)(logits, { ids: [0, 0, 1, 2], promptLength: 1 });
    expect([...logits]).toEqual([1, -4, 0, 5]);
  });

  it('forbid exactly the tokens that would repeat an n-gram', () => {
    fc.assert(
      fc.property(idLists, fc.integer({ min: 1, max: 4 }), (ids, size) => {
        const expected = Array.from({ length: COLUMNS }, (_, id) => id).filter((id) => {
          const next = [...ids, id].slice(-size);
          return next.length === size && includesRun(ids, next);
        });
        expect(forbidden(forbidRepeatedNgrams(size), ids)).toEqual(expected);
      }),
    );
  });

  it('forbid exactly the tokens that would complete a bad word', () => {
    const words = fc.array(fc.array(fc.nat(COLUMNS - 1), { minLength: 1, maxLength: 3 }), { maxLength: 4 });
    fc.assert(
      fc.property(idLists, words, (ids, bad) => {
        const expected = Array.from({ length: COLUMNS }, (_, id) => id).filter((id) =>
          bad.some((word) => word.length <= ids.length && [...ids, id].slice(-word.length).join() === word.join()),
        );
        expect(forbidden(forbidSequences(bad, []), ids)).toEqual(expected);
      }),
    );
  });

  it('leave an end token free that is named as a bad word', () => {
    expect(forbidden(forbidSequences([[3], [4]], [3]), [0])).toEqual([4]);
  });

  it('forbid the end before enough new tokens', () => {
    expect(forbidden(forbidEarlyEnd(2, [1, 4]), [0, 0, 2], 2)).toEqual([1, 4]);
    expect(forbidden(forbidEarlyEnd(2, [1, 4]), [0, 0, 2, 2], 2)).toEqual([]);
  });

  it('forbid tokens, and padding rows', () => {
    expect(forbidden(forbidTokens([0, 2]), [0])).toEqual([0, 2]);
    expect(forbidden(forbidPadding(3), [0])).toEqual([3, 4]);
    expect(forbidden(forbidPadding(COLUMNS), [0])).toEqual([]);
  });

  it('are none by default', () => {
    expect(makeProcessors(normalizeOptions({}))).toEqual([]);
  });
});
