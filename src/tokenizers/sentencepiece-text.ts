/**
 * Pieces → text (google/sentencepiece, SentencePieceProcessor::Decode): "▁" is a space, the first one is dropped,
 * byte pieces spell characters and each byte that does not becomes U+FFFD.
 */
import { PIECE_TYPES, type SentencePieceModel } from './sentencepiece-model.ts';
import { SPACE_SYMBOL } from './sentencepiece-normalizer.ts';
import type { StreamJoin, Vocabulary } from './token-model.ts';

const REPLACEMENT = '\uFFFD';

/** The text of a run of pieces, given by their spelling: ones that are not in the vocabulary stand for themselves. */
export function decodeSentencePieces(
  pieces: readonly string[],
  model: SentencePieceModel,
  vocabulary: Vocabulary,
): string {
  const run = new Run(model, vocabulary);
  return pieces.map((piece) => run.push(piece)).join('') + run.end();
}

/** The same piece by piece; special tokens end a run. Bytes of an unfinished character are held back. */
export class SentencePieceStream implements StreamJoin {
  readonly #run: Run;

  constructor(model: SentencePieceModel, vocabulary: Vocabulary) {
    this.#run = new Run(model, vocabulary);
  }

  push(token: string, isSpecial: boolean): string {
    return isSpecial ? this.#run.end() + token : this.#run.push(token);
  }

  end(): string {
    return this.#run.end();
  }
}

// --- internal ---

class Run {
  readonly #model: SentencePieceModel;
  readonly #vocabulary: Vocabulary;
  readonly #dropsSpaces: boolean;
  /** A "▁" at the very start, or several where extra spaces are removed, is not shown. */
  #isAtStart = true;
  #bytes: number[] = [];

  constructor(model: SentencePieceModel, vocabulary: Vocabulary) {
    this.#model = model;
    this.#vocabulary = vocabulary;
    this.#dropsSpaces = model.normalizer.addDummyPrefix || model.normalizer.removeExtraWhitespaces;
  }

  push(piece: string): string {
    const id = this.#vocabulary.idOf(piece);
    const type = id === undefined ? PIECE_TYPES.unknown : this.#model.pieces[id]!.type;
    if (type === PIECE_TYPES.byte) {
      this.#bytes.push(Number.parseInt(piece.slice(3, 5), 16));
      return this.#settle(false);
    }
    const before = this.#settle(true);
    if (before !== '') this.#isAtStart = false;
    return before + this.#surface(piece, id, type);
  }

  end(): string {
    const rest = this.#settle(true);
    this.#isAtStart = true;
    return rest;
  }

  #surface(piece: string, id: number | undefined, type: number): string {
    if (type === PIECE_TYPES.control) return '';
    let text = piece;
    let isSpaceSeen = false;
    if (type === PIECE_TYPES.unknown) {
      if (id !== undefined) text = this.#model.unknownSurface;
    } else {
      if (this.#isAtStart && this.#dropsSpaces && text.startsWith(SPACE_SYMBOL)) {
        text = text.slice(1);
        isSpaceSeen = !this.#model.normalizer.removeExtraWhitespaces;
      }
      text = text.replaceAll(SPACE_SYMBOL, ' ');
    }
    if (isSpaceSeen || text !== '') this.#isAtStart = false;
    return text;
  }

  /** Characters that the bytes so far spell; without `isLast` a beginning of one waits for the rest. */
  #settle(isLast: boolean): string {
    const bytes = this.#bytes;
    let out = '';
    let at = 0;
    while (at < bytes.length) {
      const length = lengthOfCharacter(bytes[at]!);
      if (!isLast && bytes.length - at < length) break;
      const character = length > 0 ? decodeCharacter(bytes.slice(at, at + length), length) : undefined;
      out += character ?? REPLACEMENT;
      at += character === undefined ? 1 : length;
    }
    if (at > 0) this.#bytes = bytes.slice(at);
    if (out !== '') this.#isAtStart = false;
    return out;
  }
}

/** Bytes of the character that starts with a byte; 0 when none does. */
function lengthOfCharacter(first: number): number {
  if (first < 0x80) return 1;
  if ((first & 0xe0) === 0xc0) return 2;
  if ((first & 0xf0) === 0xe0) return 3;
  return (first & 0xf8) === 0xf0 ? 4 : 0;
}

/** The character, or undefined for bytes that are none: cut short, overlong, a surrogate, beyond U+10FFFF. */
function decodeCharacter(bytes: readonly number[], length: number): string | undefined {
  if (bytes.length < length) return undefined;
  const text = Buffer.from(bytes).toString('utf8');
  const isOne = text.length > 0 && (text.codePointAt(0)! > 0xffff ? text.length === 2 : text.length === 1);
  return isOne && (text !== REPLACEMENT || bytes[0] === 0xef) && Buffer.byteLength(text) === length ? text : undefined;
}
