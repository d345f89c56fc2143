import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../src/tokenizers/open.ts';
import { RANDENG_ADDED_TOKENS, sentinelNames } from '../../src/tokenizers/sentinels.ts';
import { folderWith } from './fixtures.ts';
import { tinyModel } from './tiny-sentencepiece.ts';

/** 3 reserved pieces, then ▁ a, then two sentinels of the vocabulary: 7 ids. */
const PIECES = { '▁': -1, a: -2, '▁<extra_id_1>': [0, 'userDefined'], '▁<extra_id_0>': [0, 'userDefined'] } as const;
const PLAIN = { '▁': -1, a: -2 };
const open = (pieces: typeof PIECES | typeof PLAIN, options = {}, config?: object) =>
  openTokenizer(
    folderWith({
      'spiece.model': tinyModel({ pieces }),
      ...(config && { 'tokenizer_config.json': JSON.stringify(config) }),
    }),
    options,
  );

describe('T5 sentinels', () => {
  it('count down from the end of the vocabulary when the additional tokens name them', async () => {
    const tokenizer = await open(PIECES, { extraIds: 0, addedTokens: sentinelNames(2) });
    expect([tokenizer.idOf('<extra_id_0>'), tokenizer.idOf('<extra_id_1>'), tokenizer.vocabularySize]).toEqual([
      6, 5, 7,
    ]);
    expect(tokenizer.encode('a <extra_id_0> a').tokens).toEqual(['▁', 'a', '<extra_id_0>', '▁', 'a', '</s>']);
  });

  it('are left to SentencePiece when the vocabulary has them and nothing else is said', async () => {
    const tokenizer = await open(PIECES);
    expect(tokenizer.vocabularySize).toBe(7);
    expect(tokenizer.encode('a <extra_id_0>').tokens).toEqual(['▁', 'a', '▁<extra_id_0>', '</s>']);
  });

  it('are appended, 100 of them, to a vocabulary without any', async () => {
    const tokenizer = await open(PLAIN);
    expect([tokenizer.idOf('<extra_id_99>'), tokenizer.idOf('<extra_id_0>'), tokenizer.vocabularySize]).toEqual([
      5, 104, 105,
    ]);
    expect(tokenizer.specialIds.has(104)).toBe(true);
  });

  it('are as many as extra_ids in tokenizer_config.json', async () => {
    const tokenizer = await open(PLAIN, {}, { extra_ids: 3 });
    expect([tokenizer.idOf('<extra_id_0>'), tokenizer.vocabularySize]).toEqual([7, 8]);
  });

  it('count up behind other additional tokens, as the slow class has it', async () => {
    const tokenizer = await open(PLAIN, {}, { extra_ids: 2, additional_special_tokens: ['<x>'] });
    expect(['<x>', '<extra_id_0>', '<extra_id_1>'].map((token) => tokenizer.idOf(token))).toEqual([5, 6, 7]);
  });

  it('are refused when two sources disagree on their number', async () => {
    await expect(open(PLAIN, {}, { extra_ids: 3, additional_special_tokens: ['<extra_id_0>'] })).rejects.toThrow(
      /name 1 sentinels, extra_ids asks for 3/,
    );
  });
});

it("has Randeng's 120 tokens in order", () => {
  expect([RANDENG_ADDED_TOKENS.length, RANDENG_ADDED_TOKENS[2], RANDENG_ADDED_TOKENS.at(-1)]).toEqual([
    120,
    '<extra_id_0>',
    '<extra_id_117>',
  ]);
});
