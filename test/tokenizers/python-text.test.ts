import { describe, expect, it } from 'vitest';
import { isSpace, strip, stripLeft, stripRight, universalNewlines } from '../../src/tokenizers/python-text.ts';

describe("Python's whitespace", () => {
  it('has U+001C and U+0085, and not U+FEFF', () => {
    expect(['\x1c', '\x85', '\u3000', '\u2028', '\ufeff', '\u200b', 'a'].map(isSpace)).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it('is stripped at either end', () => {
    const text = '\u3000\x1c a b\n ';
    expect([stripLeft(text), stripRight(text), strip(text), strip(' \n')]).toEqual([
      'a b\n ',
      '\u3000\x1c a b',
      'a b',
      '',
    ]);
  });
});

it('reads every line end as \\n', () => {
  expect(universalNewlines('a\r\nb\rc\nd')).toBe('a\nb\nc\nd');
});
