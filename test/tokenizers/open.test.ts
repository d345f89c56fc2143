import { describe, expect, it } from 'vitest';
import { findTokenizerFiles, openTokenizer, parseTokenizerOptions } from '../../src/tokenizers/open.ts';
import { fixtureFolder, folderWith } from './fixtures.ts';

describe('openTokenizer', () => {
  it('tells the kind by the files present', async () => {
    for (const name of ['wordpiece', 'byte-bpe', 'unigram'] as const)
      expect((await openTokenizer(fixtureFolder(name))).kind).toBe(name);
  });

  it('says what it looked for where there is nothing', async () => {
    await expect(openTokenizer(folderWith({ 'vocab.json': '{}' }))).rejects.toMatchObject({
      code: 'tokenizer-not-found',
      exitCode: 3,
      message: expect.stringMatching(
        /has no tokenizer: looked for vocab.txt, or vocab.json \+ merges.txt, or spiece.model, or sentencepiece.model$/,
      ),
    });
    await expect(openTokenizer(fixtureFolder('wordpiece'), { kind: 'unigram' })).rejects.toThrow(
      /looked for spiece.model/,
    );
  });

  it('refuses a vocabulary that is no text', async () => {
    await expect(openTokenizer(folderWith({ 'vocab.txt': Uint8Array.of(0x61, 0xff) }))).rejects.toMatchObject({
      code: 'malformed-vocabulary',
      exitCode: 6,
    });
  });
});

describe('findTokenizerFiles', () => {
  it('lists the vocabulary first, then the settings that are there', async () => {
    const folder = folderWith({
      'vocab.txt': 'a',
      'added_tokens.json': '{}',
      'tokenizer_config.json': '{}',
      'x.txt': '',
    });
    expect(await findTokenizerFiles(folder)).toEqual({
      kind: 'wordpiece',
      files: ['vocab.txt', 'tokenizer_config.json', 'added_tokens.json'],
    });
  });
});

describe('parseTokenizerOptions', () => {
  it('takes what a manifest may record and refuses the rest', () => {
    expect(parseTokenizerOptions({ doLowerCase: false, addedTokens: ['<a>'] }, 'manifest')).toEqual({
      doLowerCase: false,
      addedTokens: ['<a>'],
    });
    expect(() => parseTokenizerOptions({ lowercase: true }, 'manifest.json')).toThrow(/manifest.json/);
  });
});
