import { describe, expect, it } from 'vitest';
import type { TokenizerKind } from '../../src/tokenizers/tokenizer.ts';
import { readTokenizerSettings, type SettingsOptions } from '../../src/tokenizers/tokenizer-settings.ts';
import { folderWith } from './fixtures.ts';

const read = (files: Record<string, unknown>, kind: TokenizerKind = 'wordpiece', options: SettingsOptions = {}) =>
  readTokenizerSettings(
    folderWith(Object.fromEntries(Object.entries(files).map(([name, json]) => [name, JSON.stringify(json)]))),
    kind,
    options,
  );

describe('readTokenizerSettings', () => {
  it("has the class's defaults for a bare vocabulary", async () => {
    const settings = await read({});
    expect(settings).toMatchObject({ lowerCase: true, stripAccents: true, splitChinese: true, additional: undefined });
    expect([settings.roles.mask?.content, settings.roles.bos, settings.cleanUpTokenizationSpaces]).toEqual([
      '[MASK]',
      undefined,
      true,
    ]);
    expect((await read({}, 'byte-bpe')).cleanUpTokenizationSpaces).toBe(false);
  });

  it('strips accents where it lowers, unless told otherwise', async () => {
    const accents = async (config: object) => (await read({ 'tokenizer_config.json': config })).stripAccents;
    expect(await accents({ do_lower_case: false })).toBe(false);
    expect(await accents({ do_lower_case: false, strip_accents: true })).toBe(true);
    expect(await accents({ strip_accents: null })).toBe(true);
    expect(await accents({ strip_accents: false })).toBe(false);
  });

  it('puts the caller before special_tokens_map.json, that before tokenizer_config.json', async () => {
    const files = {
      'tokenizer_config.json': {
        bos_token: '<a>',
        eos_token: '<b>',
        unk_token: '<c>',
        additional_special_tokens: ['<x>'],
      },
      'special_tokens_map.json': { eos_token: { content: '<d>' }, additional_special_tokens: ['<x>', '<y>'] },
    };
    const { roles, additional } = await read(files, 'byte-bpe', { specialTokens: { unk: '<e>' } });
    expect([roles.bos?.content, roles.eos?.content, roles.unk?.content]).toEqual(['<a>', '<d>', '<e>']);
    expect(additional?.map(({ content }) => content)).toEqual(['<x>', '<y>']);
    const called = await read(files, 'byte-bpe', { addedTokens: ['<z>'] });
    expect(called.additional?.map(({ content }) => content)).toEqual(['<z>']);
  });

  it('lets null unset a token', async () => {
    expect((await read({ 'tokenizer_config.json': { mask_token: null } })).roles.mask).toBeUndefined();
  });

  it('takes the flags of added_tokens_decoder, which leaves the older files unread', async () => {
    const settings = await read({
      'tokenizer_config.json': { added_tokens_decoder: { 4: { content: '[MASK]', lstrip: true, special: true } } },
      'special_tokens_map.json': { bos_token: '<ignored>' },
      'added_tokens.json': { '<ignored>': 9 },
    });
    expect(settings.roles.mask).toMatchObject({ content: '[MASK]', lstrip: true });
    expect([settings.roles.bos, [...settings.placed.keys()]]).toEqual([undefined, [4]]);
  });

  it.each([
    ['wordpiece', { do_basic_tokenize: false }],
    ['wordpiece', { never_split: ['x'] }],
    ['byte-bpe', { errors: 'strict' }],
    ['unigram', { legacy: false }],
    ['unigram', { sp_model_kwargs: { enable_sampling: true } }],
  ] as const)('refuses options that the %s tokenizer does not follow: %j', async (kind, config) => {
    await expect(read({ 'tokenizer_config.json': config }, kind)).rejects.toMatchObject({
      code: 'unsupported-tokenizer-option',
      exitCode: 8,
    });
  });

  it.each([
    ['tokenizer_config.json', { do_lower_case: 'yes' }],
    ['tokenizer_config.json', { added_tokens_decoder: { x: 'y' } }],
    ['special_tokens_map.json', { mask_token: 5 }],
    ['added_tokens.json', { '<a>': -1 }],
  ])('refuses a malformed %s: %j', async (file, content) => {
    await expect(read({ [file]: content })).rejects.toMatchObject({ code: 'malformed-document', exitCode: 6 });
  });
});
