import { describe, expect, it } from 'vitest';
import { parseWordPieceVocabulary } from '../../src/tokenizers/wordpiece-vocabulary.ts';

const parse = (text: string) => parseWordPieceVocabulary(text, 'vocab.txt');

describe('parseWordPieceVocabulary', () => {
  it('numbers the lines, whether or not the last one is ended', () => {
    for (const text of ['a\nb\nc', 'a\nb\nc\n']) {
      const vocabulary = parse(text);
      expect(vocabulary.size).toBe(3);
      expect(vocabulary.idOf('c')).toBe(2);
      expect(vocabulary.tokenOf(2)).toBe('c');
    }
  });

  it('keeps U+2028, spaces and U+FEFF inside a line: none of them ends or trims it', () => {
    const vocabulary = parse('a\n\u2028\n b \n\uFEFFc\n');
    expect(['\u2028', ' b ', '\uFEFFc'].map((token) => vocabulary.idOf(token))).toEqual([1, 2, 3]);
  });

  it('reads Windows line ends, as Python does', () => {
    expect(parse('a\r\nb\r\n').idOf('b')).toBe(1);
  });

  it('gives a repeated token its last line, and the earlier id none', () => {
    const vocabulary = parse('a\nb\na\n');
    expect([vocabulary.size, vocabulary.idOf('a'), vocabulary.tokenOf(0), vocabulary.tokenOf(2)]).toEqual([
      2,
      2,
      undefined,
      'a',
    ]);
  });

  it('refuses an empty file', () => {
    expect(() => parse('')).toThrow(/vocab.txt: expected 1 to .* lines of tokens, found 0/);
  });
});
