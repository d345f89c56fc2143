/**
 * What tokenizer_config.json, special_tokens_map.json and added_tokens.json say, merged as from_pretrained does:
 * the caller wins over special_tokens_map.json, that over tokenizer_config.json, that over the class's defaults.
 * Files are optional: most Fengshenbang repositories hold a bare vocab.txt.
 */
import path from 'node:path';
import { z } from 'zod';
import { UnsupportedError } from '../util/errors.ts';
import { pathExists } from '../util/files.ts';
import { parseWith, readJson } from '../util/json.ts';
import type { Side, SpecialRole, TokenizerKind } from './tokenizer.ts';

/** A token that is found in a text before anything else (Hugging Face: AddedToken). */
export interface AddedTokenSpec {
  readonly content: string;
  readonly special: boolean;
  /** Eats the whitespace left (right) of it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly singleWord: boolean;
  /** Looked for in lower case where the tokenizer lowers. */
  readonly normalized: boolean;
}

export interface TokenizerSettings {
  readonly roles: Readonly<Partial<Record<SpecialRole, AddedTokenSpec>>>;
  /** Further special tokens; undefined when neither a file nor the caller names any, which T5 tells from none. */
  readonly additional: readonly AddedTokenSpec[] | undefined;
  /** Added tokens whose ids the files fix (added_tokens_decoder, added_tokens.json). */
  readonly placed: ReadonlyMap<number, AddedTokenSpec>;
  readonly cleanUpTokenizationSpaces: boolean;
  readonly paddingSide: Side;
  readonly truncationSide: Side;
  readonly lowerCase: boolean;
  readonly stripAccents: boolean;
  readonly splitChinese: boolean;
  readonly addPrefixSpace: boolean;
  readonly addBosToken: boolean;
  /** T5: how many <extra_id_N> follow the vocabulary; undefined when no file and no caller says. */
  readonly extraIds: number | undefined;
}

/** What a caller (the manifest) knows better than the folder. */
export interface SettingsOptions {
  /** Additional special tokens, in order; those not in the vocabulary are appended to it. */
  readonly addedTokens?: readonly string[] | undefined;
  readonly specialTokens?: Readonly<Partial<Record<SpecialRole, string>>> | undefined;
  readonly doLowerCase?: boolean | undefined;
  readonly stripAccents?: boolean | undefined;
  readonly tokenizeChineseChars?: boolean | undefined;
  /** GPT-2: the text begins with a space. */
  readonly addPrefixSpace?: boolean | undefined;
  /** T5: number of sentinels after the vocabulary. */
  readonly extraIds?: number | undefined;
}

/** The order in which the slow classes append what the vocabulary lacks. */
export const SPECIAL_ROLES = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'] as const satisfies SpecialRole[];

const DEFAULT_ROLES: Readonly<Record<TokenizerKind, Partial<Record<SpecialRole, string>>>> = {
  wordpiece: { unk: '[UNK]', sep: '[SEP]', pad: '[PAD]', cls: '[CLS]', mask: '[MASK]' },
  'byte-bpe': { bos: '<|endoftext|>', eos: '<|endoftext|>', unk: '<|endoftext|>' },
  unigram: { eos: '</s>', unk: '<unk>', pad: '<pad>' },
};

/** Options of the slow classes that fsb does not reproduce: only the value named is accepted. */
const FIXED_OPTIONS: Readonly<Record<TokenizerKind, Readonly<Record<string, unknown>>>> = {
  wordpiece: { do_basic_tokenize: true, never_split: [], split_special_tokens: false },
  'byte-bpe': { errors: 'replace', split_special_tokens: false },
  unigram: { legacy: true, sp_model_kwargs: {}, split_special_tokens: false },
};

/** Real vocabularies add at most a few hundred tokens; each is tried at every character it may start at. */
const MAX_ADDED_TOKENS = 100_000;

const TokenValue = z.union([
  z.string(),
  z.looseObject({
    content: z.string(),
    lstrip: z.boolean().optional(),
    rstrip: z.boolean().optional(),
    single_word: z.boolean().optional(),
    normalized: z.boolean().optional(),
    special: z.boolean().optional(),
  }),
]);
type TokenValue = z.infer<typeof TokenValue>;

const roleFields = {
  bos_token: TokenValue.nullish(),
  eos_token: TokenValue.nullish(),
  unk_token: TokenValue.nullish(),
  sep_token: TokenValue.nullish(),
  pad_token: TokenValue.nullish(),
  cls_token: TokenValue.nullish(),
  mask_token: TokenValue.nullish(),
  additional_special_tokens: z.array(TokenValue).max(MAX_ADDED_TOKENS).nullish(),
};
const SpecialTokensMap = z.looseObject(roleFields);
const side = z.enum(['left', 'right']).nullish();
const TokenizerConfig = z.looseObject({
  ...roleFields,
  added_tokens_decoder: z.record(z.string().regex(/^\d{1,9}$/), TokenValue).nullish(),
  clean_up_tokenization_spaces: z.boolean().nullish(),
  padding_side: side,
  truncation_side: side,
  do_lower_case: z.boolean().nullish(),
  strip_accents: z.boolean().nullish(),
  tokenize_chinese_chars: z.boolean().nullish(),
  add_prefix_space: z.boolean().nullish(),
  add_bos_token: z.boolean().nullish(),
  extra_ids: z.number().int().min(0).max(MAX_ADDED_TOKENS).nullish(),
});
const AddedTokensFile = z.record(z.string(), z.number().int().min(0).max(999_999_999));

/** Reads the settings of a folder for a kind of tokenizer. Throws IntegrityError for malformed files, UnsupportedError for options fsb does not follow. */
export async function readTokenizerSettings(
  folder: string,
  kind: TokenizerKind,
  options: SettingsOptions = {},
): Promise<TokenizerSettings> {
  const configFile = path.join(folder, 'tokenizer_config.json');
  const config = await readOptional(configFile, TokenizerConfig);
  refuseOtherOptions(config ?? {}, kind, configFile);

  const hasDecoder = config?.added_tokens_decoder != null;
  const map = hasDecoder
    ? undefined
    : await readOptional(path.join(folder, 'special_tokens_map.json'), SpecialTokensMap);
  const addedFile = hasDecoder
    ? undefined
    : await readOptional(path.join(folder, 'added_tokens.json'), AddedTokensFile);

  const decoder = Object.entries(config?.added_tokens_decoder ?? {}).map(
    ([id, value]) => [Number(id), addedToken(value, false)] as const,
  );
  const known = new Map(decoder.map(([, token]) => [token.content, token]));
  const special = (value: TokenValue): AddedTokenSpec => {
    const token = addedToken(value, true);
    return known.get(token.content) ?? token;
  };

  const roles: Partial<Record<SpecialRole, AddedTokenSpec>> = {};
  for (const role of SPECIAL_ROLES) {
    const field = `${role}_token` as const;
    const value = options.specialTokens?.[role] ?? (map?.[field] !== undefined ? map[field] : config?.[field]);
    // An absent key leaves the class's default, an explicit null unsets the token.
    const chosen = value === undefined ? DEFAULT_ROLES[kind][role] : value;
    if (chosen != null) roles[role] = special(chosen);
  }
  const additional = (options.addedTokens ?? namedInFiles(config, map))?.map(special);
  const specialContents = new Set([...Object.values(roles), ...(additional ?? [])].map((token) => token.content));
  const placed = new Map<number, AddedTokenSpec>(decoder);
  for (const [content, id] of Object.entries(addedFile ?? {}))
    placed.set(id, { ...addedToken(content, specialContents.has(content)), normalized: !specialContents.has(content) });

  const lowerCase = options.doLowerCase ?? config?.do_lower_case ?? true;
  return {
    roles,
    additional,
    placed,
    cleanUpTokenizationSpaces: config?.clean_up_tokenization_spaces ?? kind === 'wordpiece',
    paddingSide: config?.padding_side ?? 'right',
    truncationSide: config?.truncation_side ?? 'right',
    lowerCase,
    stripAccents: options.stripAccents ?? config?.strip_accents ?? lowerCase, // unset, it follows do_lower_case
    splitChinese: options.tokenizeChineseChars ?? config?.tokenize_chinese_chars ?? true,
    addPrefixSpace: options.addPrefixSpace ?? config?.add_prefix_space ?? kind === 'unigram',
    addBosToken: config?.add_bos_token ?? false,
    extraIds: options.extraIds ?? config?.extra_ids ?? undefined,
  };
}

// --- internal ---

/** The additional tokens of both files, each once. */
function namedInFiles(
  config: z.infer<typeof TokenizerConfig> | undefined,
  map: z.infer<typeof SpecialTokensMap> | undefined,
): TokenValue[] | undefined {
  const [own, others] = [config?.additional_special_tokens, map?.additional_special_tokens];
  if (!own && !others) return undefined;
  const byContent = new Map<string, TokenValue>();
  for (const value of [...(own ?? []), ...(others ?? [])]) {
    const content = typeof value === 'string' ? value : value.content;
    if (!byContent.has(content)) byContent.set(content, value);
  }
  return [...byContent.values()];
}

async function readOptional<T>(file: string, schema: z.ZodType<T>): Promise<T | undefined> {
  return (await pathExists(file)) ? parseWith(schema, await readJson(file), file) : undefined;
}

function refuseOtherOptions(config: Readonly<Record<string, unknown>>, kind: TokenizerKind, file: string): void {
  for (const [name, accepted] of Object.entries(FIXED_OPTIONS[kind])) {
    const value = config[name];
    if (value == null || JSON.stringify(value) === JSON.stringify(accepted)) continue;
    throw new UnsupportedError(
      `${file}: ${name} is ${JSON.stringify(value)}; fsb's ${kind} tokenizer knows ${JSON.stringify(accepted)} only`,
      { code: 'unsupported-tokenizer-option', facts: { name, value } },
    );
  }
}

/** `special` is what the place implies; a description may say otherwise in added_tokens_decoder. */
function addedToken(value: TokenValue, special: boolean): AddedTokenSpec {
  if (typeof value === 'string')
    return { content: value, special, lstrip: false, rstrip: false, singleWord: false, normalized: !special };
  const isSpecial = special || value.special === true;
  return {
    content: value.content,
    special: isSpecial,
    lstrip: value.lstrip ?? false,
    rstrip: value.rstrip ?? false,
    singleWord: value.single_word ?? false,
    normalized: value.normalized ?? !isSpecial,
  };
}
