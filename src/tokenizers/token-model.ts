/** What differs between the three kinds of tokenizer: how a text without added tokens becomes pieces, and back. */
import type { TokenizerKind } from './tokenizer.ts';

/** The tokens of a vocabulary file. */
export interface Vocabulary {
  /** Distinct tokens; added ones get ids from here on. */
  readonly size: number;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
}

/** Pieces of a text; starts and ends are UTF-16 positions in it, [start, end). */
export interface AlignedPieces {
  readonly ids: number[];
  readonly starts: number[];
  readonly ends: number[];
}

export interface TokenModel {
  readonly kind: TokenizerKind;
  readonly vocabulary: Vocabulary;
  /** What an id without a token reads as; undefined where upstream fails on it. */
  readonly unknownToken: string | undefined;
  /** True when decoded text has no whitespace at its ends. */
  readonly trims: boolean;
  /** Appends the ids of a text that holds no added token: the fast path. */
  appendIds(text: string, ids: number[]): void;
  /** The same ids with where each came from. */
  align(text: string): AlignedPieces;
  /** The text of tokens (slow class: convert_tokens_to_string). */
  join(tokens: readonly string[], isSpecial: (token: string) => boolean): string;
  streamJoin(): StreamJoin;
}

/** `join` token by token. Gives text as soon as it can no longer change. */
export interface StreamJoin {
  push(token: string, isSpecial: boolean): string;
  /** What was held back; starts anew. */
  end(): string;
}
