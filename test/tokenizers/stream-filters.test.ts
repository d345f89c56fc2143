import fc from 'fast-check';
import { expect, it } from 'vitest';
import { strip } from '../../src/tokenizers/python-text.ts';
import { ChineseJoiner, EdgeTrimmer, type StreamFilter } from '../../src/tokenizers/stream-filters.ts';
import { joinChinese } from '../../src/tokenizers/text-cleanup.ts';

const FILTERS: readonly [string, () => StreamFilter, (text: string) => string][] = [
  ['EdgeTrimmer', () => new EdgeTrimmer(), strip],
  ['ChineseJoiner', () => new ChineseJoiner(), joinChinese],
];

it.each(FILTERS)('%s gives in pieces what the whole text gives', (_, create, whole) => {
  const piece = fc
    .array(fc.constantFrom('a', ' ', '中', '\n', '𠀀', '，'), { maxLength: 4 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const filter = create();
      for (const _ of [1, 2]) // and again, after end
        expect(pieces.map((text) => filter.push(text)).join('') + filter.end()).toBe(whole(pieces.join('')));
    }),
    { numRuns: 1000 },
  );
});
