import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../src/tokenizers/open.ts';
import { RANDENG_ADDED_TOKENS } from '../../src/tokenizers/sentinels.ts';
import { folderWith } from './fixtures.ts';

const VOCABULARY = '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n今\n天\nun\n##aff\n##able\n##able2\na\n,\n##天\n[\n]\nmask';
const open = (options = {}, vocabulary = VOCABULARY) => openTokenizer(folderWith({ 'vocab.txt': vocabulary }), options);
const tokens = async (text: string, options = {}) =>
  (await open(options)).encode(text, { addSpecialTokens: false }).tokens;

describe('WordPiece', () => {
  it.each([
    ['今天', ['今', '天']],
    ['unaffable', ['un', '##aff', '##able']],
    ['unaffable2 a', ['un', '##aff', '##able2', 'a']],
    ['unaffordable', ['[UNK]']], // all or nothing
    ['UNAFFABLE,a', ['un', '##aff', '##able', ',', 'a']],
    ['x今', ['[UNK]', '今']],
    ['[MASK]今[SEP]', ['[MASK]', '今', '[SEP]']],
    ['[mask]', ['[', 'mask', ']']],
  ])('splits %j into %j', async (text, expected) => {
    expect(await tokens(text)).toEqual(expected);
  });

  it('keeps Chinese characters in words when told to', async () => {
    expect(await tokens('今天', { tokenizeChineseChars: false })).toEqual(['今', '##天']);
  });

  it('calls a word of more than 100 characters unknown, counting code points', async () => {
    const tokenizer = await open({}, '[UNK]\n𝟙\n##𝟙');
    const count = (n: number) => tokenizer.encode('𝟙'.repeat(n), { addSpecialTokens: false }).ids.length;
    expect([count(100), count(101)]).toEqual([100, 1]);
  });

  it('finds special ids by name, wherever they are', async () => {
    const tokenizer = await open({}, 'a\n[MASK]\n[SEP]\n[CLS]\n[UNK]\n[PAD]');
    expect(tokenizer.encodeIds('a').ids).toEqual([3, 0, 2]);
    expect(tokenizer.specialTokens.mask).toEqual({ token: '[MASK]', id: 1 });
  });

  it('appends special tokens that the vocabulary lacks, as the slow class does', async () => {
    const tokenizer = await open({}, 'a\n[CLS]\n[SEP]');
    expect(tokenizer.vocabularySize).toBe(6);
    expect([tokenizer.specialTokens.unk?.id, tokenizer.specialTokens.pad?.id]).toEqual([3, 4]);
    expect(tokenizer.encodeIds('b').ids).toEqual([1, 3, 2]);
  });

  it("adds Randeng's tokens in order, but only those not in the vocabulary", async () => {
    const size = VOCABULARY.split('\n').length;
    const plain = await open({ addedTokens: RANDENG_ADDED_TOKENS });
    expect([plain.idOf('[BOS]'), plain.idOf('[EOS]'), plain.idOf('<extra_id_117>')]).toEqual([
      size,
      size + 1,
      size + 119,
    ]);
    expect(plain.vocabularySize).toBe(size + 120);
    const holding = await open({ addedTokens: RANDENG_ADDED_TOKENS }, `${VOCABULARY}\n<extra_id_0>\n`);
    expect([holding.idOf('<extra_id_0>'), holding.idOf('[BOS]'), holding.idOf('<extra_id_1>')]).toEqual([
      size,
      size + 1,
      size + 3,
    ]);
  });

  it('finds sentinels in any case, for the text is lowered first', async () => {
    const tokenizer = await open({ addedTokens: RANDENG_ADDED_TOKENS });
    expect(tokenizer.encode('今<EXTRA_ID_3>天', { addSpecialTokens: false }).tokens).toEqual([
      '今',
      '<extra_id_3>',
      '天',
    ]);
  });

  it('counts offsets in code points, of the pair for its tokens', async () => {
    const tokenizer = await open({}, `${VOCABULARY}\n𠀀\n`);
    expect(tokenizer.encode('𠀀今', { pair: 'a 天' })).toMatchObject({
      tokens: ['[CLS]', '𠀀', '今', '[SEP]', 'a', '天', '[SEP]'],
      typeIds: [0, 0, 0, 0, 1, 1, 1],
      offsets: [
        [0, 0],
        [0, 1],
        [1, 2],
        [0, 0],
        [0, 1],
        [2, 3],
        [0, 0],
      ],
    });
  });

  it('reads ids without a token as unknown, as the padded rows of a model may give', async () => {
    expect((await open()).decode([5, 20_000])).toBe('今 [UNK]');
  });

  it('joins Chinese on demand, in decode and in a stream', async () => {
    const tokenizer = await open();
    const ids = tokenizer.encodeIds('今天 un aff a', { addSpecialTokens: false }).ids;
    expect(tokenizer.decode([5, 6, 11, 11])).toBe('今 天 a a');
    expect(tokenizer.decode([5, 6, 11, 11], { joinChinese: true })).toBe('今天a a');
    const decoder = tokenizer.decoder({ joinChinese: true });
    expect([5, 6, 7, 8, 11, 11].map((id) => decoder.push(id))).toEqual(['今', '天', 'un', 'aff', ' a', ' a']);
    expect(ids.length).toBe(5);
  });
});
