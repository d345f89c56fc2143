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

/** Where pieces are put: ids alone on the fast path, positions as well when asked for. */
export interface PieceSink {
  readonly ids: number[];
  readonly positions: { readonly starts: number[]; readonly ends: number[] } | undefined;
}

export function pushPiece(sink: PieceSink, id: number, start: number, end: number): void {
  sink.ids.push(id);
  if (sink.positions === undefined) return;
  sink.positions.starts.push(start);
  sink.positions.ends.push(end);
}

/** Pushes pieces of a part of the text that starts at `at`. */
export function pushPieces(sink: PieceSink, pieces: AlignedPieces, at: number): void {
  const { ids } = pieces;
  for (let i = 0; i < ids.length; i++) sink.ids.push(ids[i]!);
  if (sink.positions === undefined) return;
  for (let i = 0; i < ids.length; i++) {
    sink.positions.starts.push(at + pieces.starts[i]!);
    sink.positions.ends.push(at + pieces.ends[i]!);
  }
}

export interface TokenModel {
  readonly kind: TokenizerKind;
  readonly vocabulary: Vocabulary;
  /** What an id without a token reads as; undefined where upstream fails on it. */
  readonly unknownToken: string | undefined;
  /** True when decoded text has no whitespace at its ends. */
  readonly trims: boolean;
  /** Puts the pieces of a text that holds no added token; positions count from its start. */
  encode(text: string, sink: PieceSink): void;
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
