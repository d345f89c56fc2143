import { describe, expect, it } from 'vitest';
import { parseSentencePieceModel, sentencePieceVocabulary } from '../../src/tokenizers/sentencepiece-model.ts';
import { modelFixture } from './fixtures.ts';
import { type TinyModel, tinyModel } from './tiny-sentencepiece.ts';

const parse = (model: TinyModel) => parseSentencePieceModel(tinyModel(model), 'spiece.model');

describe('parseSentencePieceModel', () => {
  it('reads pieces, scores, types and settings', () => {
    const model = parse({ pieces: { a: -1.5, b: [0, 'userDefined'] }, removeExtraWhitespaces: false });
    expect(model.pieces.slice(2)).toEqual([
      { piece: '<unk>', score: 0, type: 2 },
      { piece: 'a', score: -1.5, type: 1 },
      { piece: 'b', score: 0, type: 4 },
    ]);
    expect([model.unknownId, model.byteFallback, model.unknownSurface]).toEqual([2, false, ' \u2047 ']);
    expect(model.normalizer).toMatchObject({ addDummyPrefix: true, removeExtraWhitespaces: false });
  });

  it('finds reserved pieces first when a normal one is spelled alike', () => {
    const vocabulary = sentencePieceVocabulary(parse({ pieces: { '</s>': -1, a: -2 } }));
    expect([vocabulary.idOf('</s>'), vocabulary.idOf('a'), vocabulary.idOf('z')]).toEqual([1, 4, undefined]);
  });

  it.each([
    ['a BPE model', { pieces: {}, modelType: 2 }, /expected a unigram model \(type 1\), found SentencePiece type 2/],
    ['spaces that are not escaped', { pieces: {}, escapeWhitespaces: false }, /escape_whitespaces false/],
    ['two unknown pieces', { pieces: { x: [0, 'unknown'] } }, /expected one unknown piece .* found 2/],
  ] as const)('refuses %s', (_, model, message) => {
    expect(() => parse(model as TinyModel)).toThrow(message);
  });

  it('refuses bytes that are no model, wherever they end', () => {
    const bytes = tinyModel({ pieces: { abc: -1 } });
    for (let length = 1; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      const result = (() => {
        try {
          return parseSentencePieceModel(cut, 'spiece.model').pieces.length;
        } catch (error) {
          return (error as Error).message;
        }
      })();
      if (typeof result === 'string') expect(result).toMatch(/^spiece.model: (not a SentencePiece model|expected)/);
      else expect(result).toBeLessThanOrEqual(4);
    }
    expect(() => parseSentencePieceModel(Buffer.from('version https://git-lfs'), 'spiece.model')).toThrow(
      /not a SentencePiece model/,
    );
  });

  it('refuses a message that is longer than the file says', () => {
    expect(() => parseSentencePieceModel(Uint8Array.of(10, 0xff, 0xff, 0xff, 0x7f), 'spiece.model')).toThrow(
      /a message of 268435455 bytes where 0 are left/,
    );
  });

  it('reads the fixture with its rules and byte pieces', () => {
    const model = parseSentencePieceModel(modelFixture(), 'spiece.model');
    expect([model.byteFallback, model.normalizer.charsmap.length > 100_000]).toEqual([true, true]);
  });
});
