/** What differs between the three kinds of tokenizer: how a text without added tokens becomes pieces, and back. */
import type { StreamDecoder, TokenizerKind } from './tokenizer.ts';

/** Pieces of a text; starts and ends are UTF-16 positions in it, [start, end). */
export interface AlignedPieces {
  readonly ids: number[];
  readonly starts: number[];
  readonly ends: number[];
}

export interface TokenModel {
  readonly kind: TokenizerKind;
  /** Tokens of the vocabulary file, each counted once. */
  readonly size: number;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
  /** Appends the ids of a text that holds no added token: the fast path. */
  appendIds(text: string, ids: number[]): void;
  /** The same ids with where each came from. */
  align(text: string): AlignedPieces;
  /** Slow class: convert_tokens_to_string. */
  join(tokens: readonly string[]): string;
  /** A decoder of tokens (not ids); special ones are told apart by the caller's predicate. */
  streamDecoder(isVerbatim: (token: string) => boolean): TokenStreamDecoder;
}

/** StreamDecoder over token strings. */
export interface TokenStreamDecoder {
  push(token: string): string;
  end: StreamDecoder['end'];
}
