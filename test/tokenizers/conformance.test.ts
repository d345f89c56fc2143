/** What every tokenizer must do, run for each of them: the reference's answers, and what holds for any text. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { padBatch } from '../../src/tokenizers/padding.ts';
import type { Tokenizer } from '../../src/tokenizers/tokenizer.ts';
import { FIXTURE_NAMES, fixtureGolden, openFixture } from './fixtures.ts';
import { answerFor, decodedBy, differences, expectedOf } from './golden.ts';

/** Texts that find the seams: scripts, marks, controls, specials, halves of surrogate pairs. */
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 4 }),
      fc.string({ unit: 'grapheme', maxLength: 4 }),
      fc.constantFrom('[MASK]', '<extra_id_1>', '</s>', '<|endoftext|>', '[mask]', 'e\u0301', '=\u0338', '\ud800', '▁'),
      fc.constantFrom('今天天气', '，', '𠀀', ' ', '\u3000', '\u200b', "don't", '2024', 'ABC', '\n\n x', '😀'),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

function stream(tokenizer: Tokenizer, ids: readonly number[], joinChinese: boolean): string {
  const decoder = tokenizer.decoder({ skipSpecialTokens: true, joinChinese });
  return ids.map((id) => decoder.push(id)).join('') + decoder.end();
}

describe.each(FIXTURE_NAMES)('the %s tokenizer', (name) => {
  const golden = fixtureGolden(name);
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await openFixture(name);
  });

  it('gives the ids, tokens, offsets and texts of the reference', () => {
    expect(differences(golden.cases, (row) => answerFor(tokenizer, row), expectedOf)).toEqual([]);
  });

  it('truncates and pads texts and pairs as the reference', () => {
    const answers = differences(
      golden.pairs,
      ({ text, pair, truncation, maxLength, padTo }) => {
        const options = { pair: pair ?? undefined, truncation, maxLength, padTo: padTo ?? undefined };
        const { ids, typeIds, attentionMask } = tokenizer.encode(text, options);
        return [text, pair, options, ids, typeIds, attentionMask];
      },
      ({ text, pair, truncation, maxLength, padTo, ids, typeIds, attentionMask }) => [
        text,
        pair,
        { pair: pair ?? undefined, truncation, maxLength, padTo: padTo ?? undefined },
        ids,
        // The reference counts a </s> that it leaves out.
        typeIds.slice(0, ids.length),
        attentionMask,
      ],
    );
    expect(answers).toEqual([]);
  });

  it('pads batches as the reference', () => {
    for (const { texts, side, multipleOf, maxLength, ids, attentionMask } of golden.batches) {
      const encodings = texts.map((text) => tokenizer.encode(text, { maxLength, truncationSide: side }));
      const padded = padBatch(encodings, { pad: tokenizer.specialTokens.pad!, side, multipleOf: multipleOf ?? 1 });
      expect(padded.map((row) => row.ids)).toEqual(ids);
      expect(padded.map((row) => row.attentionMask)).toEqual(attentionMask);
    }
  });

  it('decodes any ids as the reference', () => {
    const answer = (row: (typeof golden.decode)[number]) => decodedBy(tokenizer, row.ids, row.decoded);
    expect(differences(golden.decode, answer, (row) => row.decoded)).toEqual([]);
  });

  it('has as many tokens as the reference, each with its id and back', () => {
    expect(tokenizer.vocabularySize).toBe(golden.vocabularySize);
    for (let id = 0; id < tokenizer.vocabularySize; id++) expect(tokenizer.idOf(tokenizer.tokenOf(id)!)).toBe(id);
    expect(tokenizer.tokenOf(tokenizer.vocabularySize)).toBeUndefined();
    expect(tokenizer.idOf('no token of this name')).toBeUndefined();
  });

  it('streams what decode gives, however the text is cut into tokens', () => {
    for (const joinChinese of [false, true])
      for (const { ids } of [...golden.cases, ...golden.decode])
        expect(stream(tokenizer, ids, joinChinese)).toBe(
          tokenizer.decode(ids, { skipSpecialTokens: true, cleanUpTokenizationSpaces: false, joinChinese }),
        );
  });

  it('gives the same ids with and without offsets, for any text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(tokenizer.encode(text).ids).toEqual(tokenizer.encodeIds(text).ids);
      }),
      { numRuns: 300 },
    );
  });

  it('gives offsets inside the text and in order, for any text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const { ids, offsets } = tokenizer.encode(text, { addSpecialTokens: false });
        expect(offsets.length).toBe(ids.length);
        let last = 0;
        for (const [start, end] of offsets) {
          expect(start).toBeGreaterThanOrEqual(0);
          expect(end).toBeGreaterThanOrEqual(start);
          expect(end).toBeLessThanOrEqual([...text].length);
          expect(end).toBeGreaterThanOrEqual(last);
          last = end;
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gives ids that it can decode, below its vocabulary size, for any text', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const { ids } = tokenizer.encodeIds(text);
        expect(ids.every((id) => id >= 0 && id < tokenizer.vocabularySize)).toBe(true);
        expect(typeof tokenizer.decode(ids)).toBe('string');
      }),
      { numRuns: 200 },
    );
  });

  it('keeps to maxLength when each text can give enough', () => {
    fc.assert(
      fc.property(anyText, anyText, fc.integer({ min: 6, max: 20 }), (text, pair, maxLength) => {
        const { ids, typeIds } = tokenizer.encodeIds(text, { pair, maxLength });
        expect(ids.length).toBeLessThanOrEqual(maxLength);
        expect(typeIds.length).toBe(ids.length);
      }),
      { numRuns: 200 },
    );
  });

  it('refuses lengths that are none', () => {
    for (const maxLength of [0, -1, 2.5, Number.NaN])
      expect(() => tokenizer.encodeIds('a', { maxLength })).toThrow(/maxLength must be a positive integer/);
    expect(() => tokenizer.encode('a', { padTo: 0 })).toThrow(/must be a positive integer/);
    expect(() => tokenizer.encodeIds('a', { truncation: 'only-first' })).toThrow(/needs maxLength/);
  });

  it('takes long texts in linear time and long ones without a space too', () => {
    const text = `${'今天天气不错，'.repeat(2000)}${'x9'.repeat(20_000)}`;
    expect(tokenizer.encodeIds(text).ids.length).toBeGreaterThan(1000);
  });
});
