import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../src/tokenizers/open.ts';
import { folderWith } from './fixtures.ts';

const VOCABULARY = '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nx\n##x\n<\n>';
const token = (content: string, flags = {}) => ({ content, special: true, normalized: false, ...flags });

async function tokens(text: string, added: Record<string, object>, options = {}): Promise<string[]> {
  const config = { added_tokens_decoder: added };
  const folder = folderWith({ 'vocab.txt': VOCABULARY, 'tokenizer_config.json': JSON.stringify(config) });
  return (await openTokenizer(folder, options)).encode(text, { addSpecialTokens: false }).tokens;
}

describe('added tokens', () => {
  it('are found longest first', async () => {
    const added = { 11: token('<a>'), 12: token('<a>b'), 13: token('<') };
    expect(await tokens('<a>b<a>x<', added)).toEqual(['<a>b', '<a>', 'x', '<']);
  });

  it('are found at the earliest start when they overlap', async () => {
    expect(await tokens('<ab>', { 11: token('<ab'), 12: token('b>') })).toEqual(['<ab', '>']);
  });

  it('eat whitespace at the sides they say, and their offsets include what is left of them', async () => {
    const folder = folderWith({
      'vocab.txt': VOCABULARY,
      'special_tokens_map.json': JSON.stringify({ mask_token: token('[MASK]', { lstrip: true }) }),
    });
    const { offsets } = (await openTokenizer(folder)).encode('a  [MASK] b', { addSpecialTokens: false });
    expect(offsets).toEqual([
      [0, 1],
      [1, 9],
      [10, 11],
    ]);
  });

  it('that are single words are none inside a word', async () => {
    expect(await tokens('<s> x<s>', { 11: token('<s>', { single_word: true }) })).toEqual([
      '<s>',
      'x',
      '<',
      '[UNK]',
      '>',
    ]);
  });

  it('that are special are kept from lower case, others are found in it', async () => {
    expect(
      await tokens(
        '<A> <B>',
        { 11: token('<A>'), 12: token('<b>', { special: false, normalized: true }) },
        {
          addedTokens: ['<A>'],
        },
      ),
    ).toEqual(['<A>', '<b>']);
  });

  it('that play no role are set apart by spaces when decoded, and stay when special ones are skipped', async () => {
    const folder = folderWith({ 'vocab.txt': VOCABULARY, 'added_tokens.json': '{"<new>":11}' });
    const tokenizer = await openTokenizer(folder);
    expect(tokenizer.decode([2, 5, 11, 8, 3], { skipSpecialTokens: true })).toBe('a <new> ##x');
    expect(tokenizer.specialIds.has(11)).toBe(false);
  });
});
