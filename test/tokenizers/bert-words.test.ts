import { describe, expect, it } from 'vitest';
import { splitWords, type WordRules } from '../../src/tokenizers/bert-words.ts';

const UNCASED: WordRules = { lowerCase: true, stripAccents: true, splitChinese: true, neverSplit: new Set(['[MASK]']) };
const CASED: WordRules = { ...UNCASED, lowerCase: false, stripAccents: false };

const words = (text: string, rules = UNCASED) => splitWords(text, rules).map((word) => word.text);

describe('splitWords', () => {
  it.each([
    ['Hello, World!', ['hello', ',', 'world', '!']],
    ['今天weather好', ['今', '天', 'weather', '好']],
    ['𠀀𠀁', ['𠀀', '𠀁']],
    ['ΑΣ', ['ασ']], // never the final ς
    ['Café', ['cafe']],
    ['a\u200bb\u0000c', ['abc']],
    ['a\u2028b\u3000c', ['a', 'b', 'c']],
    ['\u037e', [';']], // decomposition makes new punctuation
    ['がぎ', ['かき']],
    ['豈', ['豈']], // compatibility ideographs become unified ones
    ['x$y^z', ['x', '$', 'y', '^', 'z']],
    ['', []],
  ])('lower case, no accents: %j → %j', (text, expected) => {
    expect(words(text)).toEqual(expected);
  });

  it.each([
    ['Café', ['Café']],
    ['Cafe\u0301', ['Café']], // composed
    ['=\u0338', ['≠']],
    ['[MA\u200bSK] x', ['[MASK]', 'x']], // a special token only after cleaning
  ])('cased: %j → %j', (text, expected) => {
    expect(words(text, CASED)).toEqual(expected);
  });

  it('keeps Chinese characters in words when told to', () => {
    expect(words('今天 ok', { ...UNCASED, splitChinese: false })).toEqual(['今天', 'ok']);
  });

  it('says where each unit came from', () => {
    const [cafe, next] = splitWords('Cafe\u0301 𠀀', UNCASED);
    expect(cafe).toEqual({ text: 'cafe', starts: [0, 1, 2, 3], ends: [1, 2, 3, 4] });
    expect(next).toEqual({ text: '𠀀', starts: [6, 6], ends: [8, 8] });
  });

  it('gives composed characters the range of all their parts', () => {
    expect(splitWords('e\u0301x', CASED)).toEqual([{ text: 'éx', starts: [0, 2], ends: [2, 3] }]);
  });
});
