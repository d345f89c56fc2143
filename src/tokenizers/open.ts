/** Opens the tokenizer of a folder. */
import { z } from 'zod';
import { parseWith } from '../util/json.ts';
import type { AddedTokens } from './added-tokens.ts';
import { ByteBpe } from './byte-bpe.ts';
import { createTokenizer, type Template } from './create-tokenizer.ts';
import type { TokenModel } from './token-model.ts';
import type { SpecialRole, Tokenizer } from './tokenizer.ts';
import { type OpenTokenizerOptions, readTokenizerParts, type TokenizerParts } from './tokenizer-parts.ts';
import type { SettingsOptions } from './tokenizer-settings.ts';
import { Unigram } from './unigram.ts';
import { WordPiece } from './wordpiece.ts';

export { findTokenizerFiles, type OpenTokenizerOptions, type TokenizerFiles } from './tokenizer-parts.ts';

/**
 * Opens a tokenizer; the files present say which kind. Throws NotFoundError when the folder has no tokenizer files,
 * IntegrityError when they are malformed, UnsupportedError when they ask for something fsb does not do.
 */
export async function openTokenizer(folder: string, options: OpenTokenizerOptions = {}): Promise<Tokenizer> {
  const parts = await readTokenizerParts(folder, options);
  return createTokenizer(modelOf(parts), parts.added, parts.settings, templateOf(parts));
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

function modelOf(parts: TokenizerParts): TokenModel {
  const { settings, added, file } = parts;
  switch (parts.kind) {
    case 'wordpiece': {
      const unknown = added.roles.unk ?? {
        token: '[UNK]',
        id: parts.vocabulary.idOf('[UNK]') ?? parts.vocabulary.size,
      };
      return new WordPiece(parts.vocabulary, unknown, { ...settings, neverSplit: added.special });
    }
    case 'byte-bpe': {
      const unknown = settings.roles.unk && parts.vocabulary.idOf(settings.roles.unk.content);
      return new ByteBpe(parts.vocabulary, parts.merges, unknown, file);
    }
    case 'unigram':
      return new Unigram(parts.model, parts.vocabulary, file);
  }
}

/** BERT: [CLS] A [SEP] B [SEP]. GPT-2: A B, each after its first token where add_bos_token says so. T5: A </s> B </s>. */
function templateOf({ kind, added, settings }: TokenizerParts): Template {
  const common = { before: [], after: [], beforePair: [], afterPair: [], pairType: 1, isEndOnce: false } as const;
  switch (kind) {
    case 'wordpiece':
      return { ...common, before: idsOf(added, 'cls'), after: idsOf(added, 'sep'), afterPair: idsOf(added, 'sep') };
    case 'byte-bpe': {
      const bos = settings.addBosToken ? idsOf(added, 'bos') : [];
      return { ...common, before: bos, beforePair: bos };
    }
    case 'unigram': {
      const eos = idsOf(added, 'eos');
      return { ...common, after: eos, afterPair: eos, pairType: 0, isEndOnce: true };
    }
  }
}

function idsOf(added: AddedTokens, role: SpecialRole): readonly number[] {
  const token = added.roles[role];
  return token ? [token.id] : [];
}
