import { describe, expect, it } from 'vitest';
import { BYTE_CHARACTERS } from '../../src/tokenizers/byte-pairs.ts';
import { openTokenizer } from '../../src/tokenizers/open.ts';
import { folderWith, openFixture } from './fixtures.ts';

/** A vocabulary of all bytes, these merges and <|endoftext|>. */
function files(merges: readonly string[]) {
  const tokens = [...BYTE_CHARACTERS, ...merges.map((merge) => merge.replace(' ', '')), '<|endoftext|>'];
  return {
    'vocab.json': JSON.stringify(Object.fromEntries(tokens.map((token, id) => [token, id]))),
    'merges.txt': `#version: 0.2\n${merges.map((merge) => `${merge}\n`).join('')}`,
  };
}

describe('byte-level BPE', () => {
  it('merges the lowest rank first, left to right', async () => {
    const tokenizer = await openTokenizer(folderWith(files(['b c', 'a b', 'a a'])));
    expect(tokenizer.encode('abc').tokens).toEqual(['a', 'bc']);
    expect(tokenizer.encode('aaab').tokens).toEqual(['aa', 'ab']);
    expect(tokenizer.encode('aaa').tokens).toEqual(['aa', 'a']);
  });

  it('merges long runs as it merges short ones', async () => {
    const tokenizer = await openTokenizer(folderWith(files(['a b', 'ab ab', 'c a', 'b c', 'abab ca'])));
    for (const unit of ['ab', 'abc', 'cab', 'aabbc', 'bca'])
      for (let count = 1; count < 80; count++) {
        const text = unit.repeat(count);
        expect(tokenizer.decode(tokenizer.encodeIds(text).ids)).toBe(text);
      }
    expect(tokenizer.encodeIds('ab'.repeat(20_000)).ids).toEqual(new Array(10_000).fill(tokenizer.idOf('abab')));
    // 128 bytes are merged by looking through, 129 by the queue: the same start gives the same tokens.
    const [short, long] = ['abc'.repeat(43).slice(0, 128), 'abc'.repeat(43)].map(
      (text) => tokenizer.encodeIds(text).ids,
    );
    expect(long!.slice(0, 40)).toEqual(short!.slice(0, 40));
  });

  it('gives every piece of a character the position of the whole character', async () => {
    const tokenizer = await openTokenizer(folderWith(files([])));
    expect(tokenizer.encode('😀a').offsets).toEqual([
      [0, 1],
      [0, 1],
      [0, 1],
      [0, 1],
      [1, 2],
    ]);
  });

  it('holds an unfinished character back while streaming, and gives it up at the end', async () => {
    const tokenizer = await openTokenizer(folderWith(files([])));
    const ids = tokenizer.encodeIds('今!').ids;
    const decoder = tokenizer.decoder();
    expect(ids.map((id) => decoder.push(id))).toEqual(['', '', '今', '!']);
    expect([decoder.push(ids[0]!), decoder.end(), decoder.end()]).toEqual(['', '\ufffd', '']);
  });

  it('keeps a leading U+FEFF, which is text', async () => {
    const tokenizer = await openTokenizer(folderWith(files([])));
    expect(tokenizer.decode(tokenizer.encodeIds('\ufeffa').ids)).toBe('\ufeffa');
  });

  it('puts a space first where add_prefix_space says so, without shifting offsets', async () => {
    const tokenizer = await openTokenizer(
      folderWith({ ...files(['Ġ a']), 'tokenizer_config.json': '{"add_prefix_space":true}' }),
    );
    expect(tokenizer.encode('ab')).toMatchObject({
      tokens: ['Ġa', 'b'],
      offsets: [
        [0, 1],
        [1, 2],
      ],
    });
  });

  it('has no padding token unless given one', async () => {
    const tokenizer = await openTokenizer(folderWith(files([])));
    expect(() => tokenizer.encode('a', { padTo: 4 })).toThrow(/no padding token/);
    const padded = await openFixture('byte-bpe');
    expect(padded.encode('a', { padTo: 3 }).attentionMask).toEqual([1, 0, 0]);
  });

  it('names the id that has no token', async () => {
    const tokenizer = await openTokenizer(folderWith(files([])));
    expect(() => tokenizer.decode([9999])).toThrow(/id 9999 has no token: .* ids 0 to 256/);
  });

  it('refuses a vocabulary without all bytes and without an unknown token', async () => {
    const folder = folderWith({ 'vocab.json': '{"a":0}', 'merges.txt': '#version\n' });
    await expect(openTokenizer(folder)).rejects.toThrow(/expected a token .* or an unknown token, found neither/);
  });
});
