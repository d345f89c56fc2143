/**
 * The parts a tokenizer is made of, read from a folder: which files there are says which kind it is. openTokenizer makes
 * a Tokenizer of them, buildTokenizerJson a tokenizer.json.
 */
import path from 'node:path';
import { NotFoundError } from '../util/errors.ts';
import { pathExists } from '../util/files.ts';
import { readJson } from '../util/json.ts';
import { AddedTokens } from './added-tokens.ts';
import { type ByteVocabulary, type Merge, parseByteVocabulary, parseMerges } from './byte-pairs.ts';
import { parseSentencePieceModel, type SentencePieceModel, sentencePieceVocabulary } from './sentencepiece-model.ts';
import { placeSentinels } from './sentinels.ts';
import type { Vocabulary } from './token-model.ts';
import type { TokenizerKind } from './tokenizer.ts';
import { readTokenizerSettings, type SettingsOptions, type TokenizerSettings } from './tokenizer-settings.ts';
import { readVocabularyBytes, readVocabularyText } from './vocabulary-file.ts';
import { parseWordPieceVocabulary, type WordPieceVocabulary } from './wordpiece-vocabulary.ts';

export interface OpenTokenizerOptions extends SettingsOptions {
  /** Needed only for a folder that holds the files of several kinds. @default by the files present */
  readonly kind?: TokenizerKind | undefined;
}

interface CommonParts {
  readonly settings: TokenizerSettings;
  readonly added: AddedTokens;
  /** The vocabulary file, for messages. */
  readonly file: string;
}

export type TokenizerParts = CommonParts &
  (
    | { readonly kind: 'wordpiece'; readonly vocabulary: WordPieceVocabulary }
    | { readonly kind: 'byte-bpe'; readonly vocabulary: ByteVocabulary; readonly merges: readonly Merge[] }
    | { readonly kind: 'unigram'; readonly vocabulary: Vocabulary; readonly model: SentencePieceModel }
  );

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

/** Reads the parts. Throws as openTokenizer does. */
export async function readTokenizerParts(folder: string, options: OpenTokenizerOptions = {}): Promise<TokenizerParts> {
  const { kind, files } = await findTokenizerFiles(folder, options.kind);
  const settings = await readTokenizerSettings(folder, kind, options);
  return READERS[kind](folder, files, settings);
}

// --- internal ---

type Reader = (folder: string, files: readonly string[], settings: TokenizerSettings) => Promise<TokenizerParts>;

const READERS: Readonly<Record<TokenizerKind, Reader>> = {
  wordpiece: async (folder, files, settings) => {
    const file = path.join(folder, files[0]!);
    const lines = parseWordPieceVocabulary(await readVocabularyText(file), file);
    const added = new AddedTokens(lines, settings, { lowers: settings.lowerCase });
    return { kind: 'wordpiece', file, settings, added, vocabulary: withPlacement(lines, added) };
  },
  'byte-bpe': async (folder, files, settings) => {
    const file = path.join(folder, files[0]!);
    const vocabulary = parseByteVocabulary(await readJson(file), file);
    const merges = parseMerges(await readVocabularyText(path.join(folder, files[1]!)));
    return { kind: 'byte-bpe', file, settings, added: new AddedTokens(vocabulary, settings), vocabulary, merges };
  },
  unigram: async (folder, files, read) => {
    const file = path.join(folder, files[0]!);
    const model = parseSentencePieceModel(await readVocabularyBytes(file), file);
    const vocabulary = sentencePieceVocabulary(model);
    const { placed, additional, extraIds } = placeSentinels(vocabulary, read);
    const settings = { ...read, additional, extraIds };
    const added = new AddedTokens(vocabulary, settings, { sentinels: placed });
    return { kind: 'unigram', file, settings, added, vocabulary, model };
  },
};

async function present(folder: string, names: readonly string[]): Promise<string[]> {
  const found = await Promise.all(names.map((name) => pathExists(path.join(folder, name))));
  return names.filter((_, i) => found[i]);
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
