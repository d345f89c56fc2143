import { describe, expect, it } from 'vitest';
import { BYTE_CHARACTERS, parseByteVocabulary, parseMerges } from '../../src/tokenizers/byte-pairs.ts';

describe('the byte alphabet', () => {
  it('has a character of its own for each byte', () => {
    expect(new Set(BYTE_CHARACTERS).size).toBe(256);
    expect([0x20, 0x0a, 0x41, 0xad, 0xff].map((byte) => BYTE_CHARACTERS[byte])).toEqual(['Ġ', 'Ċ', 'A', 'Ń', 'ÿ']);
  });
});

describe('parseMerges', () => {
  it('leaves out the first line, what follows the last line end, and lines that are no pair', () => {
    expect(parseMerges('#version: 0.2\na b\nc\n\nab  c\nunfinished line')).toEqual([
      ['a', 'b'],
      ['ab', 'c'],
    ]);
  });
});

describe('parseByteVocabulary', () => {
  it('keeps tokens that look like numbers or like properties', () => {
    const vocabulary = parseByteVocabulary(JSON.parse('{"7":0,"__proto__":1,"a":2}'), 'vocab.json');
    expect(['7', '__proto__', 'a'].map((token) => vocabulary.idOf(token))).toEqual([0, 1, 2]);
    expect(vocabulary.tokenOf(1)).toBe('__proto__');
  });

  it.each([[[]], [{}], ['x'], [{ a: -1 }], [{ a: 1.5 }], [{ a: '1' }], [{ a: 1e9 }]])('refuses %j', (json) => {
    expect(() => parseByteVocabulary(json, 'vocab.json')).toThrow(/vocab.json: expected/);
  });
});
