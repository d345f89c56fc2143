import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endOfWord } from '../../src/tokenizers/gpt2-words.ts';

function words(text: string): string[] {
  const found: string[] = [];
  for (let start = 0; start < text.length; ) {
    const end = endOfWord(text, start);
    found.push(text.slice(start, end));
    start = end;
  }
  return found;
}

/** GPT-2's expression, with \s written as the Unicode property it means there. */
const PATTERN =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

describe('endOfWord', () => {
  it.each([
    ["I'll we've don't", ['I', "'ll", ' we', "'ve", ' don', "'t"]],
    ['a  b', ['a', ' ', ' b']],
    ['a \n b', ['a', ' \n', ' b']],
    ['a   ', ['a', '   ']],
    ['今天，2024年', ['今天', '，', '2024', '年']],
    ['￥ \ufeff[', ['￥', ' \ufeff[']], // U+FEFF is no space
    ['𠀀😀', ['𠀀', '😀']],
  ])('splits %j into %j', (text, expected) => {
    expect(words(text)).toEqual(expected);
  });

  it('agrees with the expression for any text', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(' ', "'s", '\n', '1', 'a', '中', '!', '\u00a0'),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 10 }), (parts) => {
        const text = parts.join('');
        expect(words(text)).toEqual(text.match(PATTERN) ?? []);
      }),
      { numRuns: 1000 },
    );
  });
});
