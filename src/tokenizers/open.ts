/** Opens the tokenizer of a folder: which files there are says which kind it is. */
import path from 'node:path';
import { z } from 'zod';
import { NotFoundError } from '../util/errors.ts';
import { pathExists } from '../util/files.ts';
import { parseWith, readJson } from '../util/json.ts';
import { AddedTokens } from './added-tokens.ts';
import { ByteBpe } from './byte-bpe.ts';
import { parseByteVocabulary, parseMerges } from './byte-pairs.ts';
import { createTokenizer, type Template } from './create-tokenizer.ts';
import { parseSentencePieceModel } from './sentencepiece-model.ts';
import { placeSentinels } from './sentinels.ts';
import type { SpecialRole, Tokenizer, TokenizerKind } from './tokenizer.ts';
import { readTokenizerSettings, type SettingsOptions } from './tokenizer-settings.ts';
import { Unigram } from './unigram.ts';
import { readVocabularyBytes, readVocabularyText } from './vocabulary-file.ts';
import { parseWordPieceVocabulary, WordPiece, type WordPieceVocabulary } from './wordpiece.ts';

export interface OpenTokenizerOptions extends SettingsOptions {
  /** Needed only for a folder that holds the files of several kinds. @default by the files present */
  readonly kind?: TokenizerKind | undefined;
}

export interface TokenizerFiles {
  readonly kind: TokenizerKind;
  /** Names in the folder: the vocabulary first, then the settings files that are there. */
  readonly files: readonly string[];
}

/** The files each kind is made of, in the order in which kinds are looked for; alternatives inside. */
const VOCABULARY_FILES: Readonly<Record<TokenizerKind, readonly (readonly string[])[]>> = {
  wordpiece: [['vocab.txt']],
  'byte-bpe': [['vocab.json', 'merges.txt']],
  unigram: [['spiece.model'], ['sentencepiece.model']],
};
const SETTINGS_FILES = ['tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'];

const OPENERS: Readonly<
  Record<TokenizerKind, (folder: string, files: readonly string[], options: SettingsOptions) => Promise<Tokenizer>>
> = {
  wordpiece: openWordPiece,
  'byte-bpe': openByteBpe,
  unigram: openUnigram,
};

/**
 * Opens a tokenizer. Throws NotFoundError when the folder has no tokenizer files, IntegrityError when they are
 * malformed, UnsupportedError when they ask for something fsb does not do.
 */
export async function openTokenizer(folder: string, options: OpenTokenizerOptions = {}): Promise<Tokenizer> {
  const { kind, files } = await findTokenizerFiles(folder, options.kind);
  return OPENERS[kind](folder, files, options);
}

/** Which kind of tokenizer a folder holds, and in which files. Throws NotFoundError when none. */
export async function findTokenizerFiles(folder: string, kind?: TokenizerKind): Promise<TokenizerFiles> {
  const kinds = kind ? [kind] : (Object.keys(VOCABULARY_FILES) as TokenizerKind[]);
  for (const candidate of kinds)
    for (const vocabulary of VOCABULARY_FILES[candidate])
      if ((await present(folder, vocabulary)).length === vocabulary.length)
        return { kind: candidate, files: [...vocabulary, ...(await present(folder, SETTINGS_FILES))] };
  const wanted = kinds.flatMap((candidate) => VOCABULARY_FILES[candidate].map((files) => files.join(' + ')));
  throw new NotFoundError(`${folder} has no tokenizer: looked for ${wanted.join(', or ')}`, {
    code: 'tokenizer-not-found',
    hint: 'copy the tokenizer files of the original repository into the folder',
    facts: { folder, wanted },
  });
}

const OptionsRecord = z.strictObject({
  doLowerCase: z.boolean().optional(),
  stripAccents: z.boolean().optional(),
  tokenizeChineseChars: z.boolean().optional(),
  addPrefixSpace: z.boolean().optional(),
  extraIds: z.number().int().min(0).optional(),
  addedTokens: z.array(z.string()).optional(),
});

/** Checks the flat options that a manifest records. Throws IntegrityError for names or values that no tokenizer has. */
export function parseTokenizerOptions(options: unknown, where: string): SettingsOptions {
  return parseWith(OptionsRecord, options, where);
}

// --- internal ---

async function present(folder: string, names: readonly string[]): Promise<string[]> {
  const found = await Promise.all(names.map((name) => pathExists(path.join(folder, name))));
  return names.filter((_, i) => found[i]);
}

async function openWordPiece(folder: string, files: readonly string[], options: SettingsOptions): Promise<Tokenizer> {
  const file = path.join(folder, files[0]!);
  const lines = parseWordPieceVocabulary(await readVocabularyText(file), file);
  const settings = await readTokenizerSettings(folder, 'wordpiece', options);
  const added = new AddedTokens(lines, settings, { lowers: settings.lowerCase });
  const vocabulary = withPlacement(lines, added);
  const [cls, sep] = [idsOf(added, 'cls'), idsOf(added, 'sep')];
  const unknown = added.roles.unk ?? { token: '[UNK]', id: vocabulary.idOf('[UNK]') ?? vocabulary.size };
  const model = new WordPiece(vocabulary, unknown, { ...settings, neverSplit: added.special });
  return createTokenizer(model, added, settings, {
    before: cls,
    after: sep,
    beforePair: [],
    afterPair: sep,
    pairType: 1,
    isEndOnce: false,
  });
}

/** Upstream looks a piece's id up among the added tokens first; normally they agree with the vocabulary. */
function withPlacement(vocabulary: WordPieceVocabulary, added: AddedTokens): WordPieceVocabulary {
  const moved = [...added.byContent].filter(([content, { id }]) => (vocabulary.ids.get(content) ?? id) !== id);
  if (moved.length === 0) return vocabulary;
  return {
    ...vocabulary,
    ids: new Map([...vocabulary.ids, ...moved.map(([content, { id }]) => [content, id] as const)]),
  };
}

async function openByteBpe(folder: string, files: readonly string[], options: SettingsOptions): Promise<Tokenizer> {
  const file = path.join(folder, files[0]!);
  const vocabulary = parseByteVocabulary(await readJson(file), file);
  const merges = parseMerges(await readVocabularyText(path.join(folder, files[1]!)));
  const settings = await readTokenizerSettings(folder, 'byte-bpe', options);
  const added = new AddedTokens(vocabulary, settings);
  const unknown = settings.roles.unk && vocabulary.idOf(settings.roles.unk.content);
  const bos = settings.addBosToken ? idsOf(added, 'bos') : [];
  return createTokenizer(new ByteBpe(vocabulary, merges, unknown, file), added, settings, {
    before: bos,
    after: [],
    beforePair: bos,
    afterPair: [],
    pairType: 1,
    isEndOnce: false,
  });
}

async function openUnigram(folder: string, files: readonly string[], options: SettingsOptions): Promise<Tokenizer> {
  const file = path.join(folder, files[0]!);
  const model = new Unigram(parseSentencePieceModel(await readVocabularyBytes(file), file), file);
  const read = await readTokenizerSettings(folder, 'unigram', options);
  const { placed, additional } = placeSentinels(model.vocabulary, read);
  const settings = { ...read, additional };
  const added = new AddedTokens(model.vocabulary, settings, { sentinels: placed });
  const eos = idsOf(added, 'eos');
  return createTokenizer(model, added, settings, {
    before: [],
    after: eos,
    beforePair: [],
    afterPair: eos,
    pairType: 0,
    isEndOnce: true,
  } satisfies Template);
}

function idsOf(added: AddedTokens, role: SpecialRole): readonly number[] {
  const token = added.roles[role];
  return token ? [token.id] : [];
}
