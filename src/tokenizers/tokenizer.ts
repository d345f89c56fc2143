/**
 * What a tokenizer is to the rest of fsb. Truth is the slow (Python) class of Hugging Face transformers that the
 * original Fengshenbang code used: BertTokenizer, GPT2Tokenizer, T5Tokenizer, quirks included.
 */

export type TokenizerKind = 'wordpiece' | 'byte-bpe' | 'unigram';

/** What gives way when text and pair are longer than `maxLength`. Ties in longest-first go against the pair. */
export type Truncation = 'longest-first' | 'only-first' | 'only-second';

export type Side = 'left' | 'right';

/** The roles a token can have for a model; which token plays it differs between vocabularies. */
export type SpecialRole = 'bos' | 'eos' | 'unk' | 'sep' | 'pad' | 'cls' | 'mask';

export interface SpecialToken {
  readonly token: string;
  readonly id: number;
}

/** Half-open range [start, end) in code points of the text; of the pair for its tokens; [0, 0] for what no text stands behind. */
export type Offset = readonly [start: number, end: number];

export interface Encoding {
  readonly ids: number[];
  /** 0 for the text, 1 for the pair (T5: always 0). */
  readonly typeIds: number[];
  /** 1 for tokens, 0 for padding. */
  readonly attentionMask: number[];
  readonly tokens: string[];
  readonly offsets: Offset[];
}

/** Ids and types alone: what evaluation needs, several times as fast as an Encoding. */
export interface IdEncoding {
  readonly ids: number[];
  readonly typeIds: number[];
}

export interface EncodeIdsOptions {
  /** A second text. The empty string is a (empty) pair too. */
  pair?: string | undefined;
  /** Put [CLS], [SEP], </s> around the texts as the model expects. @default true */
  addSpecialTokens?: boolean | undefined;
  /** Most tokens of the result, special ones included. A text that cannot give enough stays longer, as upstream. */
  maxLength?: number | undefined;
  /** Needs maxLength. @default "longest-first" */
  truncation?: Truncation | undefined;
  /** Which end of a text is cut. @default the folder's truncation_side, else "right" */
  truncationSide?: Side | undefined;
}

export interface EncodeOptions extends EncodeIdsOptions {
  /** Fills with the padding token up to this many tokens. An encoding without any token stays empty, as upstream. */
  padTo?: number | undefined;
  /** Which end is filled. @default the folder's padding_side, else "right" */
  paddingSide?: Side | undefined;
}

export interface StreamDecodeOptions {
  /** Leave special tokens out. @default false */
  skipSpecialTokens?: boolean | undefined;
  /** Drop each space that touches Chinese text: WordPiece writes one between all characters. @default false */
  joinChinese?: boolean | undefined;
}

export interface DecodeOptions extends StreamDecodeOptions {
  /** Undo English tokenization: " ." → ".", " n't" → "n't" … @default the folder's setting, else true for WordPiece only */
  cleanUpTokenizationSpaces?: boolean | undefined;
}

/** Text as its tokens arrive. Never gives half a character: what may still change is held back. */
export interface StreamDecoder {
  push(id: number): string;
  /** What was held back; the decoder may be used again for a new text. */
  end(): string;
}

export interface Tokenizer {
  readonly kind: TokenizerKind;
  /** Ids are below this: the vocabulary file and the added tokens. A model may have more rows (padding). */
  readonly vocabularySize: number;
  readonly specialTokens: Readonly<Partial<Record<SpecialRole, SpecialToken>>>;
  /** Ids of every special token, additional ones too: what skipSpecialTokens leaves out. */
  readonly specialIds: ReadonlySet<number>;
  /** Throws UsageError for a maxLength or padTo that is no positive integer, or padding without a padding token. */
  encode(text: string, options?: EncodeOptions): Encoding;
  encodeIds(text: string, options?: EncodeIdsOptions): IdEncoding;
  /** Throws UsageError for an id without a token (WordPiece: such ids read as the unknown token, as upstream). */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  decoder(options?: StreamDecodeOptions): StreamDecoder;
  tokenOf(id: number): string | undefined;
  idOf(token: string): number | undefined;
}
