/** Options: defaults, ranges and contradictions. */
import { describe, expect, it } from 'vitest';
import { type GenerationOptions, normalizeOptions } from '../../src/generation/options.ts';
import { UsageError } from '../../src/util/errors.ts';

describe('normalizeOptions', () => {
  it('searches greedily and looks up guesses when nothing is asked for', () => {
    expect(normalizeOptions({})).toMatchObject({
      doSample: false,
      numBeams: 1,
      promptLookup: true,
      repetitionPenalty: 1,
    });
  });

  it.each(['temperature', 'topK', 'topP', 'minP', 'typicalP', 'seed'] as const)('samples when %s is given', (name) => {
    expect(normalizeOptions({ [name]: 1 })).toMatchObject({ doSample: true, promptLookup: false });
  });

  it('takes the neutral values of every option', () => {
    const neutral = {
      temperature: 1,
      topK: 0,
      topP: 1,
      minP: 0,
      typicalP: 1,
      repetitionPenalty: 1,
      noRepeatNgramSize: 0,
    };
    expect(normalizeOptions(neutral)).toMatchObject(neutral);
  });

  it.each<[GenerationOptions, string]>([
    [{ maxNewTokens: 0 }, 'maxNewTokens: expected a whole number from 1 on, found 0'],
    [{ minNewTokens: -1 }, 'minNewTokens: expected a whole number from 0 on, found -1'],
    [{ temperature: 0 }, 'temperature: expected a number above 0, found 0'],
    [{ temperature: Number.NaN }, 'found NaN'],
    [{ topK: 1.5 }, 'topK: expected a whole number from 0 on, found 1.5'],
    [{ topP: 0 }, 'topP: expected a number above 0, at most 1, found 0'],
    [{ minP: 1.1 }, 'minP: expected a number from 0 to 1, found 1.1'],
    [{ typicalP: 2 }, 'typicalP: expected a number above 0, at most 1, found 2'],
    [{ repetitionPenalty: 0 }, 'repetitionPenalty: expected a number above 0, found 0'],
    [{ noRepeatNgramSize: -2 }, 'found -2'],
    [{ numBeams: 257 }, 'numBeams: expected a whole number from 1 to 256, found 257'],
    [{ numReturnSequences: 0 }, 'numReturnSequences: expected a whole number from 1 to 256, found 0'],
    [{ numBeams: 2, lengthPenalty: Number.POSITIVE_INFINITY }, 'lengthPenalty: expected a number, found Infinity'],
    [{ seed: 2 ** 53 }, 'seed: expected a whole number from 0 to 2^53 − 1, found 9007199254740992'],
    [{ badWordsIds: [[1], []] }, 'badWordsIds: expected sequences of one token or more, found [[1],[]]'],
    [{ badWordsIds: [[1, -2]] }, 'badWordsIds: expected whole numbers from 0 on, found [1,-2]'],
    [{ suppressTokens: [0.5] }, 'suppressTokens: expected whole numbers from 0 on, found [0.5]'],
    [{ eosTokenIds: [-1] }, 'eosTokenIds: expected whole numbers from 0 on, found [-1]'],
    [
      { numBeams: 2, earlyStopping: 'always' as 'never' },
      'earlyStopping: expected true, false or "never", found "always"',
    ],
    [{ minNewTokens: 9, maxNewTokens: 8 }, 'minNewTokens 9 is more than maxNewTokens 8'],
    [{ numBeams: 2, topP: 0.9 }, 'numBeams 2 and topP 0.9: beams and sampling exclude each other'],
    [{ numBeams: 2, doSample: true }, 'numBeams 2 and doSample: beams and sampling exclude each other'],
    [{ doSample: false, topK: 5 }, 'topK 5 is for sampling, and doSample is false'],
    [{ numBeams: 2, numReturnSequences: 3 }, 'numReturnSequences 3: at most numBeams 2'],
    [{ numReturnSequences: 2 }, 'numReturnSequences 2: greedy search gives one'],
    [{ lengthPenalty: 1 }, 'lengthPenalty and earlyStopping need numBeams above 1'],
    [{ earlyStopping: true }, 'lengthPenalty and earlyStopping need numBeams above 1'],
    [{ promptLookup: true, numBeams: 2 }, 'promptLookup is for greedy search'],
    [{ promptLookup: true, seed: 1 }, 'promptLookup is for greedy search'],
  ])('refuses %j', (options, message) => {
    expect(() => normalizeOptions(options)).toThrow(message);
    expect(() => normalizeOptions(options)).toThrow(UsageError);
  });
});
