/**
 * Byte-level BPE as GPT2Tokenizer does it: words (gpt2-words.ts), their UTF-8 bytes, then the merges by rank.
 *
 * A word is first cut where no token of the vocabulary spans the two bytes that meet: no merge can cross such a place,
 * so the parts are independent. In Chinese text most parts are one character, whose ids come from a table.
 */
import { IntegrityError } from '../util/errors.ts';
import { BoundedCache } from './bounded-cache.ts';
import { BYTE_CHARACTERS, type ByteVocabulary, CHARACTER_BYTES, type Merge } from './byte-pairs.ts';
import { endOfWord } from './gpt2-words.ts';
import { RankQueue } from './rank-queue.ts';
import { type AlignedPieces, type PieceSink, pushPieces, type StreamJoin, type TokenModel } from './token-model.ts';
import { utf8Byte, utf8Length } from './utf8.ts';

const encoder = new TextEncoder();

export class ByteBpe implements TokenModel {
  readonly kind = 'byte-bpe';
  readonly trims = false;
  readonly unknownToken = undefined;
  readonly vocabulary: ByteVocabulary;
  readonly #symbols: Symbols;
  /** 1 where some symbol holds byte a followed by byte b, at a * 256 + b. */
  readonly #meets: Uint8Array;
  /** Pieces of single UTF-16 units, filled as they are first seen. */
  readonly #characters: (AlignedPieces | undefined)[] = new Array(0x10000).fill(undefined);
  readonly #parts = new BoundedCache<AlignedPieces>();

  /** `unknownId` is what a byte or merge outside the vocabulary becomes. Throws IntegrityError when that is needed and undefined. */
  constructor(vocabulary: ByteVocabulary, merges: readonly Merge[], unknownId: number | undefined, where: string) {
    this.vocabulary = vocabulary;
    this.#symbols = new Symbols(vocabulary, merges, unknownId, where);
    this.#meets = this.#symbols.meets;
  }

  encode(text: string, sink: PieceSink): void {
    const meets = this.#meets;
    for (let start = 0; start < text.length; ) {
      const end = endOfWord(text, start);
      let part = start;
      let last = -1; // last byte of the character before i
      for (let i = start; i < end; ) {
        const codePoint = text.codePointAt(i)!;
        if (last >= 0 && meets[last * 256 + utf8Byte(codePoint, 0)] === 0) {
          pushPieces(sink, this.#piecesOf(text, part, i), part);
          part = i;
        }
        last = utf8Byte(codePoint, utf8Length(codePoint) - 1);
        i += codePoint > 0xffff ? 2 : 1;
      }
      pushPieces(sink, this.#piecesOf(text, part, end), part);
      start = end;
    }
  }

  join(tokens: readonly string[]): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytesOf(tokens.join('')));
  }

  /** Holds an unfinished character back; a special token ends it. A leading U+FEFF is text. */
  streamJoin(): StreamJoin {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    return {
      push: (token, isSpecial) =>
        isSpecial ? decoder.decode() + token : decoder.decode(bytesOf(token), { stream: true }),
      end: () => decoder.decode(),
    };
  }

  // --- internal ---

  #piecesOf(text: string, start: number, end: number): AlignedPieces {
    if (end - start > 1) {
      const part = text.slice(start, end);
      return this.#parts.get(part) ?? this.#parts.set(part, this.#merge(part));
    }
    const unit = text.charCodeAt(start);
    const known = this.#characters[unit];
    if (known) return known;
    const pieces = this.#merge(text.charAt(start));
    this.#characters[unit] = pieces;
    return pieces;
  }

  /** A piece of some bytes of a character has the whole character's position. */
  #merge(part: string): AlignedPieces {
    const out: AlignedPieces = { ids: [], starts: [], ends: [] };
    const origins = characterOfByte(part);
    let byte = 0;
    for (const symbol of this.#symbols.merge(encoder.encode(part))) {
      const length = this.#symbols.byteLengths[symbol]!;
      const last = origins[byte + length - 1]!;
      out.ids.push(this.#symbols.ids[symbol]!);
      out.starts.push(origins[byte]!);
      out.ends.push(last + (part.codePointAt(last)! > 0xffff ? 2 : 1));
      byte += length;
    }
    return out;
  }
}

// --- internal ---

/** For each byte of a text's UTF-8 the UTF-16 position of its character. */
function characterOfByte(text: string): number[] {
  const origins: number[] = [];
  for (let i = 0; i < text.length; ) {
    const codePoint = text.codePointAt(i)!;
    for (let n = utf8Length(codePoint); n > 0; n--) origins.push(i);
    i += codePoint > 0xffff ? 2 : 1;
  }
  return origins;
}

/** The bytes that tokens spell; a character outside the alphabet (in an added token) gives its own UTF-8. */
function bytesOf(spelling: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of spelling) {
    const byte = CHARACTER_BYTES.get(character);
    if (byte === undefined) bytes.push(...encoder.encode(character));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

interface Result {
  readonly rank: number;
  readonly symbol: number;
}

/** In bytes: up to here looking through the whole part for each merge is fastest. */
const LONG_PART = 128;
/** The place of a symbol that was merged into the one before it. */
const GONE = -1;

/** Bytes and merge results under numbers of their own (byte b is symbol b), and the merges between them. */
class Symbols {
  /** Symbol → id in the vocabulary. */
  readonly ids: number[] = [];
  readonly byteLengths: number[] = [];
  /** 1 where some symbol holds byte a followed by byte b, at a * 256 + b. */
  readonly meets = new Uint8Array(0x10000);
  /** left * 2^24 + right → rank and merged symbol. */
  readonly #merges = new Map<number, Result>();

  constructor(vocabulary: ByteVocabulary, merges: readonly Merge[], unknownId: number | undefined, where: string) {
    const symbols = new Map<string, number>();
    const symbolOf = (token: string): number | undefined => {
      const known = symbols.get(token);
      if (known !== undefined) return known;
      if (!this.#noteBytes(token)) return undefined; // no bytes spell it, so it never comes up
      const id = vocabulary.ids.get(token) ?? unknownId;
      if (id === undefined)
        throw new IntegrityError(
          `${where}: expected a token ${JSON.stringify(token)} or an unknown token, found neither`,
          {
            code: 'malformed-vocabulary',
          },
        );
      const symbol = this.ids.push(id) - 1;
      this.byteLengths.push(token.length);
      symbols.set(token, symbol);
      return symbol;
    };
    for (const character of BYTE_CHARACTERS) symbolOf(character);
    merges.forEach(([leftToken, rightToken], rank) => {
      const left = symbolOf(leftToken);
      const right = symbolOf(rightToken);
      const symbol = symbolOf(leftToken + rightToken);
      if (left === undefined || right === undefined || symbol === undefined) return;
      this.#merges.set(left * 0x1000000 + right, { rank, symbol });
    });
  }

  /** Merges the pair of lowest rank wherever it stands, left to right, until none is left. */
  merge(bytes: Uint8Array): number[] {
    const symbols = [...bytes];
    return symbols.length > LONG_PART ? this.#mergeLong(symbols) : this.#mergeShort(symbols);
  }

  #mergeShort(symbols: number[]): number[] {
    while (symbols.length > 1) {
      let best: Result | undefined;
      let at = 0;
      for (let i = 1; i < symbols.length; i++) {
        const merge = this.#mergeOf(symbols[i - 1]!, symbols[i]!);
        if (merge && (!best || merge.rank < best.rank)) {
          best = merge;
          at = i - 1;
        }
      }
      if (!best) break;
      const left = symbols[at]!;
      const right = symbols[at + 1]!;
      let length = at;
      for (let i = at; i < symbols.length; length++) {
        const isPair = symbols[i] === left && symbols[i + 1] === right;
        symbols[length] = isPair ? best.symbol : symbols[i]!;
        i += isPair ? 2 : 1;
      }
      symbols.length = length;
    }
    return symbols;
  }

  /** The same over a linked list with the places of each rank in a queue: a long run must not take quadratic time. */
  #mergeLong(symbols: number[]): number[] {
    const next = symbols.map((_, i) => i + 1);
    const previous = symbols.map((_, i) => i - 1);
    const queue = new RankQueue();
    const enqueue = (at: number): void => {
      const merge =
        at >= 0 && next[at]! < symbols.length ? this.#mergeOf(symbols[at]!, symbols[next[at]!]!) : undefined;
      if (merge) queue.push(merge.rank, at);
    };
    for (let i = 0; i + 1 < symbols.length; i++) enqueue(i);
    for (let places = queue.shift(); places; places = queue.shift())
      for (const at of places.positions) {
        const right = next[at]!;
        const merge =
          symbols[at] === GONE || right >= symbols.length ? undefined : this.#mergeOf(symbols[at]!, symbols[right]!);
        if (merge?.rank !== places.rank) continue; // a neighbour was merged away
        symbols[at] = merge.symbol;
        symbols[right] = GONE;
        next[at] = next[right]!;
        if (next[at]! < symbols.length) previous[next[at]!] = at;
        enqueue(previous[at]!);
        enqueue(at);
      }
    return symbols.filter((symbol) => symbol !== GONE);
  }

  #mergeOf(left: number, right: number): Result | undefined {
    return this.#merges.get(left * 0x1000000 + right);
  }

  /** Records which bytes meet in a token; false for a token with characters that stand for no byte. */
  #noteBytes(token: string): boolean {
    let previous = -1;
    for (const character of token) {
      const byte = CHARACTER_BYTES.get(character);
      if (byte === undefined) return false;
      if (previous >= 0) this.meets[previous * 256 + byte] = 1;
      previous = byte;
    }
    return true;
  }
}
