import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../src/tokenizers/open.ts';
import type { Tokenizer } from '../../src/tokenizers/tokenizer.ts';
import { folderWith } from './fixtures.ts';
import { type TinyModel, tinyModel } from './tiny-sentencepiece.ts';

const open = (model: TinyModel, options = {}): Promise<Tokenizer> =>
  openTokenizer(folderWith({ 'spiece.model': tinyModel(model) }), { extraIds: 0, ...options });
const PIECES = { '▁': -3, '▁a': -2, a: -4, b: -4, ab: -1, 今: -5, '▁今天': -2, 天: -5 };
const bare = { addSpecialTokens: false };

describe('unigram', () => {
  it.each([
    ['ab', ['▁', 'ab']],
    ['a b', ['▁a', '▁', 'b']],
    ['今天今', ['▁今天', '今']],
    ['', []],
  ])('segments %j into %j', async (text, expected) => {
    expect((await open({ pieces: PIECES })).encode(text, bare).tokens).toEqual(expected);
  });

  it('breaks ties for the path found first', async () => {
    const tokenizer = await open({ pieces: { '▁': -1, x: -1, xx: -2, xxx: -3 } });
    expect(tokenizer.encode('xxx', bare).tokens).toEqual(['▁', 'xxx']);
    const two = await open({ pieces: { '▁': -1, x: -1, xx: -2 } });
    expect(two.encode('xxx', bare).tokens).toEqual(['▁', 'x', 'xx']);
  });

  it('makes one unknown token of unknown neighbours', async () => {
    const tokenizer = await open({ pieces: PIECES });
    expect(tokenizer.encode('zza', bare)).toMatchObject({
      tokens: ['▁', '<unk>', 'a'],
      offsets: [
        [0, 0],
        [0, 2],
        [2, 3],
      ],
    });
  });

  it('spells unknown characters with bytes where the model has them; the last byte has the position', async () => {
    const tokenizer = await open({ pieces: PIECES, byteFallback: true });
    const encoding = tokenizer.encode('é今', bare);
    expect(encoding.tokens).toEqual(['▁', '<0xC3>', '<0xA9>', '今']);
    expect(encoding.offsets).toEqual([
      [0, 0],
      [0, 0],
      [0, 1],
      [1, 2],
    ]);
    expect(tokenizer.decode(encoding.ids)).toBe('é今');
  });

  it('turns each byte that spells nothing into U+FFFD', async () => {
    const tokenizer = await open({ pieces: PIECES, byteFallback: true });
    const byte = (value: number) => tokenizer.idOf(`<0x${value.toString(16).toUpperCase()}>`)!;
    // cut short, overlong, a surrogate, a stray continuation
    for (const bytes of [[0xe4, 0xbb], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0x80]])
      expect(tokenizer.decode(bytes.map(byte))).toBe('\ufffd'.repeat(bytes.length));
    expect(tokenizer.decode([0xef, 0xbf, 0xbd].map(byte))).toBe('\ufffd');
  });

  it('streams whole characters and holds spaces at the end back', async () => {
    const tokenizer = await open({ pieces: PIECES, byteFallback: true });
    const decoder = tokenizer.decoder();
    const ids = ['▁a', '<0xC3>', '<0xA9>', '▁', 'b'].map((token) => tokenizer.idOf(token)!);
    expect(ids.map((id) => decoder.push(id))).toEqual(['a', '', 'é', '', ' b']);
    expect(decoder.end()).toBe('');
  });

  it('prefers a user-defined piece, and never an unused one', async () => {
    const tokenizer = await open({ pieces: { ...PIECES, ba: [0, 'userDefined'], ab: [-0.1, 'unused'] } });
    expect(tokenizer.encode('aba', bare).tokens).toEqual(['▁a', 'ba']);
  });

  it('ends with </s> once, also for a pair', async () => {
    const tokenizer = await open({ pieces: PIECES });
    expect(tokenizer.encode('a</s>').tokens).toEqual(['▁a', '</s>']);
    expect(tokenizer.encode('a', { pair: 'a' })).toMatchObject({
      tokens: ['▁a', '</s>', '▁a', '</s>'],
      typeIds: [0, 0, 0, 0],
    });
  });

  it('keeps its sums fine enough in texts of ten thousands of tokens', async () => {
    const tokenizer = await open({ pieces: { '▁': -1, x: -10, xx: -20.03 } });
    const { tokens } = tokenizer.encode('x'.repeat(80_000), bare); // -800,000 in float32 would round 0.03 away
    expect(tokens.filter((token) => token === 'xx').length).toBe(0);
  });
});
