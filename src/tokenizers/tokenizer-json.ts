/**
 * tokenizer.json and tokenizer_config.json of a folder, in Hugging Face's format, so that transformers.js, the Rust
 * library and fsb itself open a converted folder alike. Follows transformers' convert_slow_tokenizer.py (BertConverter,
 * GPT2Converter, T5Converter). The Rust library has rules of its own in rare places (newer marks, ties in truncation),
 * which no file changes.
 */
import type { AddedTokens } from './added-tokens.ts';
import { type SentencePieceModel, scoreOf } from './sentencepiece-model.ts';
import { SPACE_SYMBOL } from './sentencepiece-normalizer.ts';
import type { SpecialRole, TokenizerKind } from './tokenizer.ts';
import { type OpenTokenizerOptions, readTokenizerParts, type TokenizerParts } from './tokenizer-parts.ts';
import { SPECIAL_ROLES } from './tokenizer-settings.ts';

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** The Python class that reads each kind. */
const TOKENIZER_CLASSES: Readonly<Record<TokenizerKind, string>> = {
  wordpiece: 'BertTokenizer',
  'byte-bpe': 'GPT2Tokenizer',
  unigram: 'T5Tokenizer',
};

/**
 * Files to put beside the vocabulary, by name. With them the folder opens the same without options: what the caller
 * and the folder's own settings said is in tokenizer_config.json. Throws as openTokenizer does.
 */
export async function buildTokenizerFiles(
  folder: string,
  options: OpenTokenizerOptions = {},
): Promise<Readonly<Record<'tokenizer.json' | 'tokenizer_config.json', string>>> {
  const parts = await readTokenizerParts(folder, options);
  return {
    'tokenizer.json': `${JSON.stringify(tokenizerJsonOf(parts))}\n`,
    'tokenizer_config.json': `${JSON.stringify(tokenizerConfigOf(parts), null, 2)}\n`,
  };
}

/** The content of tokenizer.json for the tokenizer files of a folder. */
export async function buildTokenizerJson(folder: string, options: OpenTokenizerOptions = {}): Promise<Json> {
  return tokenizerJsonOf(await readTokenizerParts(folder, options));
}

// --- internal ---

function tokenizerJsonOf(parts: TokenizerParts): Json {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...parts.added.byId.values()]
      .sort((a, b) => a.id - b.id)
      .map(({ id, content, singleWord, lstrip, rstrip, normalized, special }) => ({
        id,
        content,
        single_word: singleWord,
        lstrip,
        rstrip,
        normalized,
        special,
      })),
    ...pipelineOf(parts),
  };
}

function tokenizerConfigOf(parts: TokenizerParts): Json {
  const { kind, settings, added } = parts;
  const roles = SPECIAL_ROLES.map((role) => [`${role}_token`, settings.roles[role]?.content ?? null] as const);
  const own: Readonly<Record<TokenizerKind, Json>> = {
    wordpiece: {
      do_lower_case: settings.lowerCase,
      strip_accents: settings.stripAccents,
      tokenize_chinese_chars: settings.splitChinese,
    },
    'byte-bpe': { add_prefix_space: settings.addPrefixSpace, add_bos_token: settings.addBosToken },
    unigram: { extra_ids: settings.extraIds ?? 0, legacy: true },
  };
  return {
    tokenizer_class: TOKENIZER_CLASSES[kind],
    ...(own[kind] as { [key: string]: Json }),
    clean_up_tokenization_spaces: settings.cleanUpTokenizationSpaces,
    padding_side: settings.paddingSide,
    truncation_side: settings.truncationSide,
    ...Object.fromEntries(roles.filter(([, token]) => token !== null)),
    // T5Tokenizer takes an empty list for a wish to append its sentinels; absent it does not.
    ...(settings.additional?.length
      ? { additional_special_tokens: settings.additional.map(({ content }) => content) }
      : {}),
    added_tokens_decoder: Object.fromEntries(
      [...added.byId.values()].map(({ id, content, singleWord, lstrip, rstrip, normalized, special }) => [
        String(id),
        { content, single_word: singleWord, lstrip, rstrip, normalized, special },
      ]),
    ),
  };
}

function pipelineOf(parts: TokenizerParts): { [key: string]: Json } {
  switch (parts.kind) {
    case 'wordpiece':
      return {
        normalizer: {
          type: 'BertNormalizer',
          clean_text: true,
          handle_chinese_chars: parts.settings.splitChinese,
          strip_accents: parts.settings.stripAccents,
          lowercase: parts.settings.lowerCase,
        },
        pre_tokenizer: { type: 'BertPreTokenizer' },
        post_processor: templateProcessing(parts.added, ['cls'], ['sep'], 1),
        decoder: { type: 'WordPiece', prefix: '##', cleanup: parts.settings.cleanUpTokenizationSpaces },
        model: {
          type: 'WordPiece',
          unk_token: parts.added.roles.unk?.token ?? '[UNK]',
          continuing_subword_prefix: '##',
          max_input_chars_per_word: 100,
          vocab: Object.fromEntries(parts.vocabulary.ids),
        },
      };
    case 'byte-bpe': {
      const byteLevel = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true };
      const { ids } = parts.vocabulary;
      return {
        normalizer: null,
        pre_tokenizer: { ...byteLevel, add_prefix_space: parts.settings.addPrefixSpace },
        post_processor: parts.settings.addBosToken
          ? templateProcessing(parts.added, ['bos'], [], 1)
          : { ...byteLevel, trim_offsets: false },
        decoder: byteLevel,
        model: {
          type: 'BPE',
          dropout: null,
          unk_token: null,
          continuing_subword_prefix: '',
          end_of_word_suffix: '',
          fuse_unk: false,
          byte_fallback: false,
          vocab: Object.fromEntries(ids),
          // The Rust library refuses merges of tokens outside the vocabulary; those never give a token anyway.
          merges: parts.merges
            .filter(([a, b]) => ids.has(a) && ids.has(b) && ids.has(a + b))
            .map(([a, b]) => `${a} ${b}`),
        },
      };
    }
    case 'unigram':
      return {
        ...unigramPipeline(parts.model, parts.added, parts.settings.extraIds ?? 0),
        post_processor: templateProcessing(parts.added, [], ['eos'], 0),
      };
  }
}

/** `extraIds` sentinels follow the pieces, counting down; a sentinel inside the vocabulary replaces the piece's text. */
function unigramPipeline(model: SentencePieceModel, added: AddedTokens, extraIds: number): { [key: string]: Json } {
  const { charsmap, addDummyPrefix, removeExtraWhitespaces } = model.normalizer;
  const scheme = addDummyPrefix ? 'always' : 'never';
  const metaspace = { type: 'Metaspace', replacement: SPACE_SYMBOL, prepend_scheme: scheme, split: true };
  const rules = { type: 'Precompiled', precompiled_charsmap: Buffer.from(charsmap).toString('base64') };
  const spaces = [
    { type: 'Strip', strip_left: false, strip_right: true },
    { type: 'Replace', pattern: { Regex: ' {2,}' }, content: SPACE_SYMBOL },
  ];
  return {
    normalizer: {
      type: 'Sequence',
      normalizers: [...(charsmap.length > 0 ? [rules] : []), ...(removeExtraWhitespaces ? spaces : [])],
    },
    pre_tokenizer: metaspace,
    decoder: model.byteFallback ? { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, metaspace] } : metaspace,
    model: {
      type: 'Unigram',
      unk_id: model.unknownId,
      vocab: [
        ...model.pieces.map((piece, id): Json => [added.byId.get(id)?.content ?? piece.piece, scoreOf(piece)]),
        ...Array.from({ length: extraIds }, (_, i): Json => [`<extra_id_${extraIds - 1 - i}>`, 0]),
      ],
      byte_fallback: model.byteFallback,
    },
  };
}

/** before A after, and for pairs before A after [before] B after with the pair's type. */
function templateProcessing(added: AddedTokens, before: SpecialRole[], after: SpecialRole[], pairType: 0 | 1): Json {
  const specialsOf = (roles: SpecialRole[]) => roles.flatMap((role) => added.roles[role] ?? []);
  const specials = (roles: SpecialRole[], type: number): Json[] =>
    specialsOf(roles).map(({ token }) => ({ SpecialToken: { id: token, type_id: type } }));
  const first = [...specials(before, 0), { Sequence: { id: 'A', type_id: 0 } }, ...specials(after, 0)];
  // BERT has one [CLS] for both texts; GPT-2's first token stands before each.
  const again = before.filter((role) => role === 'bos');
  const second = [
    ...specials(again, pairType),
    { Sequence: { id: 'B', type_id: pairType } },
    ...specials(after, pairType),
  ];
  return {
    type: 'TemplateProcessing',
    single: first,
    pair: [...first, ...second],
    special_tokens: Object.fromEntries(
      specialsOf([...before, ...after]).map(({ token, id }) => [token, { id: token, ids: [id], tokens: [token] }]),
    ),
  };
}
