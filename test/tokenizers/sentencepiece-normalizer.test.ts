import { describe, expect, it } from 'vitest';
import { parseSentencePieceModel } from '../../src/tokenizers/sentencepiece-model.ts';
import { SentencePieceNormalizer } from '../../src/tokenizers/sentencepiece-normalizer.ts';
import { modelFixture } from './fixtures.ts';

const rules = parseSentencePieceModel(modelFixture(), 'spiece.model').normalizer;
const normalizer = new SentencePieceNormalizer(rules, ['▁<x>', '１０'], 'spiece.model');

describe('SentencePieceNormalizer', () => {
  it.each([
    ['今天', '▁今天'],
    ['  a   b  ', '▁a▁b'],
    ['ＡＢＣ，', '▁ABC,'],
    ['①㎏', '▁1kg'],
    ['か\u3099', '▁が'], // rules of two characters win over rules of one
    ['e\u0301', '▁é'],
    ['１０１', '▁１０1'], // a verbatim symbol is not replaced
    ['a\ud800b', '▁a▁b'], // half a pair reads as U+FFFD, for which these rules put a space
    [' \n\t', ''],
    ['', ''],
  ])('%j → %j', (text, expected) => {
    expect(normalizer.normalize(text, false).text).toBe(expected);
    expect(normalizer.normalize(text, true).text).toBe(expected);
  });

  it('says where each unit came from, and where the text ends', () => {
    expect(normalizer.normalize(' ㎏  b ', true)).toEqual({ text: '▁kg▁b', origins: [1, 1, 1, 2, 4, 5] });
  });

  it('keeps spaces where the model says so', () => {
    const keeping = new SentencePieceNormalizer(
      { ...rules, addDummyPrefix: false, removeExtraWhitespaces: false },
      [],
      'spiece.model',
    );
    expect(keeping.normalize(' a  b ', false).text).toBe('▁a▁▁b▁');
  });

  it.each([
    ['too short', Uint8Array.of(1, 2)],
    ['a trie longer than the rules', Uint8Array.of(0xff, 0xff, 0, 0, 0, 0, 0, 0)],
    ['a trie of odd length', Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0, 0)],
  ])('refuses rules that are %s', (_, charsmap) => {
    expect(() => new SentencePieceNormalizer({ ...rules, charsmap }, [], 'spiece.model')).toThrow(
      /spiece.model: normalisation rules of/,
    );
  });

  it('refuses rules that point outside themselves, when it meets them', () => {
    const charsmap = Uint8Array.of(4, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f);
    const broken = new SentencePieceNormalizer({ ...rules, charsmap }, [], 'spiece.model');
    expect(() => broken.normalize('a', false)).toThrow(/normalisation rules point to unit/);
  });
});
