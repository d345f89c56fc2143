import { cpSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { findTokenizerFiles, type OpenTokenizerOptions, openTokenizer } from '../../src/tokenizers/open.ts';
import { buildTokenizerFiles, buildTokenizerJson } from '../../src/tokenizers/tokenizer-json.ts';
import { FIXTURE_NAMES, fixtureFolder, fixtureGolden, folderWith } from './fixtures.ts';

/** A folder as a conversion leaves it: the vocabulary and the files that were built. */
async function converted(folder: string, options: OpenTokenizerOptions): Promise<string> {
  const target = folderWith({});
  for (const file of (await findTokenizerFiles(folder)).files)
    if (!file.endsWith('.json') || file === 'vocab.json') cpSync(path.join(folder, file), path.join(target, file));
  for (const [name, content] of Object.entries(await buildTokenizerFiles(folder, options)))
    writeFileSync(path.join(target, name), content);
  return target;
}

describe('buildTokenizerFiles', () => {
  it.each(FIXTURE_NAMES)('makes a %s folder that opens the same without options', async (name) => {
    const { options, cases } = fixtureGolden(name);
    const folder = fixtureFolder(name);
    const [before, after] = [
      await openTokenizer(folder, options),
      await openTokenizer(await converted(folder, options)),
    ];
    expect(after.vocabularySize).toBe(before.vocabularySize);
    expect(after.specialTokens).toEqual(before.specialTokens);
    expect([...after.specialIds].sort()).toEqual([...before.specialIds].sort());
    for (const { text, ids } of cases) {
      expect(after.encode(text, { pair: text })).toEqual(before.encode(text, { pair: text }));
      expect(after.decode(ids)).toBe(before.decode(ids));
    }
  });
});

// The formats below were checked by opening such files with the Rust library (tokenizers 0.22.2): the same ids as the
// slow classes on 1,500 real lines for BERT, Randeng, GPT-2 and T5, byte fallback included.
describe('buildTokenizerJson', () => {
  it('describes WordPiece', async () => {
    const folder = folderWith({ 'vocab.txt': '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na' });
    expect(await buildTokenizerJson(folder, { addedTokens: ['<x>'], doLowerCase: false })).toEqual({
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '<x>'].map((content, i) => ({
        id: i < 5 ? i : 6,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      })),
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: false,
        lowercase: false,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: {
        type: 'TemplateProcessing',
        single: [
          { SpecialToken: { id: '[CLS]', type_id: 0 } },
          { Sequence: { id: 'A', type_id: 0 } },
          { SpecialToken: { id: '[SEP]', type_id: 0 } },
        ],
        pair: [
          { SpecialToken: { id: '[CLS]', type_id: 0 } },
          { Sequence: { id: 'A', type_id: 0 } },
          { SpecialToken: { id: '[SEP]', type_id: 0 } },
          { Sequence: { id: 'B', type_id: 1 } },
          { SpecialToken: { id: '[SEP]', type_id: 1 } },
        ],
        special_tokens: {
          '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
          '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
        },
      },
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: {
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: { '[PAD]': 0, '[UNK]': 1, '[CLS]': 2, '[SEP]': 3, '[MASK]': 4, a: 5 },
      },
    });
  });

  it('describes byte-level BPE', async () => {
    const json = await buildTokenizerJson(fixtureFolder('byte-bpe'));
    expect(json).toMatchObject({
      normalizer: null,
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
      post_processor: { type: 'ByteLevel', trim_offsets: false },
      decoder: { type: 'ByteLevel' },
      model: { type: 'BPE', unk_token: null, merges: expect.arrayContaining(['Ġ t']) },
    });
  });

  it('describes unigram with its rules, byte fallback, and sentinels in their places', async () => {
    const { options } = fixtureGolden('unigram-sentinels');
    const json = await buildTokenizerJson(fixtureFolder('unigram-sentinels'), options);
    expect(json).toMatchObject({
      normalizer: { type: 'Sequence', normalizers: [{ type: 'Precompiled' }, { type: 'Strip' }, { type: 'Replace' }] },
      pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
      post_processor: { single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }] },
      model: { type: 'Unigram', unk_id: 2, byte_fallback: true },
    });
    const { vocab } = (json as unknown as { model: { vocab: [string, number][] } }).model;
    expect(vocab.at(-1)![0]).toBe('<extra_id_0>');
  });
});
