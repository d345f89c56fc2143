/**
 * SentencePiece unigram as T5Tokenizer (legacy) does it: normalise, then the segmentation of highest probability.
 * Follows EncodeOptimized in google/sentencepiece's unigram_model.cc down to its rounding, which decides ties.
 */

import { NO_NODE, NO_PIECE, PieceTrie } from './piece-trie.ts';
import { strip } from './python-text.ts';
import { PIECE_TYPES, type SentencePieceModel, scoreOf } from './sentencepiece-model.ts';
import { SentencePieceNormalizer, SPACE_SYMBOL } from './sentencepiece-normalizer.ts';
import { decodeSentencePieces, SentencePieceStream } from './sentencepiece-text.ts';
import { type PieceSink, pushPiece, type StreamJoin, type TokenModel, type Vocabulary } from './token-model.ts';

/** An unknown character scores this much below the worst piece (kUnkPenalty). */
const UNKNOWN_PENALTY = 10;
/** Beyond this upstream starts counting from 0 again, so that sums keep their digits in long texts. */
const MAX_PATH_SCORE = 100_000;

const encoder = new TextEncoder();

export class Unigram implements TokenModel {
  readonly kind = 'unigram';
  readonly trims = true;
  readonly unknownToken = undefined;
  readonly vocabulary: Vocabulary;
  readonly #model: SentencePieceModel;
  readonly #normalizer: SentencePieceNormalizer;
  readonly #trie: PieceTrie;
  readonly #scores: Float32Array;
  readonly #unknownScore: number;
  readonly #byteIds: Int32Array;
  /** Best path to each position of the text at hand: score, start of its last piece, that piece. */
  #best = new Float32Array(0);
  #from = new Int32Array(0);
  #piece = new Int32Array(0);
  /** Ends of the best path's pieces, last first. */
  #ends = new Int32Array(0);

  constructor(model: SentencePieceModel, vocabulary: Vocabulary, where: string) {
    const { pieces } = model;
    this.#model = model;
    this.vocabulary = vocabulary;
    const userDefined = pieces.flatMap(({ piece, type }) => (type === PIECE_TYPES.userDefined ? [piece] : []));
    this.#normalizer = new SentencePieceNormalizer(model.normalizer, userDefined, where);
    const normal = pieces.flatMap(({ score, type }) => (type === PIECE_TYPES.normal ? [score] : []));
    const lowest = normal.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    this.#unknownScore = Math.fround(lowest - UNKNOWN_PENALTY);
    this.#scores = Float32Array.from(pieces, scoreOf);
    this.#trie = new PieceTrie(
      new Map(
        pieces.flatMap(({ piece, type }, id) =>
          type === PIECE_TYPES.normal || type === PIECE_TYPES.userDefined ? [[piece, id] as const] : [],
        ),
      ),
    );
    this.#byteIds = new Int32Array(256);
    if (model.byteFallback)
      for (let byte = 0; byte < 256; byte++)
        this.#byteIds[byte] = this.vocabulary.idOf(byteSpelling(byte)) ?? model.unknownId;
  }

  encode(text: string, sink: PieceSink): void {
    const { text: normalized, origins } = this.#normalizer.normalize(text, sink.positions !== undefined);
    this.#findBestPath(normalized);
    const { unknownId, byteFallback } = this.#model;
    const from = this.#from;
    const piece = this.#piece;
    const ends = this.#ends;
    let count = 0;
    for (let end = normalized.length; end > 0; end = from[end]!) ends[count++] = end;
    for (let i = count - 1; i >= 0; i--) {
      const id = piece[ends[i]!]!;
      const start = from[ends[i]!]!;
      if (id === unknownId && byteFallback) {
        this.#pushBytes(normalized.slice(start, ends[i]!), origins?.[start] ?? 0, origins?.[ends[i]!] ?? 0, sink);
        continue;
      }
      if (id === unknownId) while (i > 0 && piece[ends[i - 1]!] === unknownId) i--; // unknown neighbours are one piece
      pushPiece(sink, id, origins?.[start] ?? 0, origins?.[ends[i]!] ?? 0);
    }
  }

  /** Slow class: special tokens stand between runs that SentencePiece decodes, each such run after a space. */
  join(tokens: readonly string[], isSpecial: (token: string) => boolean): string {
    let out = '';
    let run: string[] = [];
    let afterSpecial = false;
    tokens.forEach((token, i) => {
      const shown = i === 0 && token.startsWith(SPACE_SYMBOL) ? token.slice(1) : token;
      if (isSpecial(shown)) {
        out += (afterSpecial ? '' : ' ') + decodeSentencePieces(run, this.#model, this.vocabulary) + shown;
        run = [];
        afterSpecial = true;
      } else {
        run.push(shown);
        afterSpecial = false;
      }
    });
    return strip(out + decodeSentencePieces(run, this.#model, this.vocabulary));
  }

  streamJoin(): StreamJoin {
    return new SentencePieceStream(this.#model, this.vocabulary);
  }

  // --- internal ---

  /** Viterbi, forward over starts and lengths; float32 sums, and a later path must be strictly better: both decide ties. */
  #findBestPath(text: string): void {
    const length = text.length;
    if (this.#from.length <= length) {
      this.#best = new Float32Array(length * 2 + 64);
      this.#from = new Int32Array(length * 2 + 64);
      this.#piece = new Int32Array(length * 2 + 64);
      this.#ends = new Int32Array(length * 2 + 64);
    }
    const best = this.#best;
    const from = this.#from;
    const piece = this.#piece;
    const scores = this.#scores;
    const trie = this.#trie;
    from.fill(-1, 0, length + 1);
    best[0] = 0;
    let frontier = 0; // furthest position that a path reaches
    for (let start = 0; start < length; ) {
      const unit = text.charCodeAt(start);
      const width = (unit & 0xfc00) === 0xd800 ? 2 : 1;
      let base = best[start]!;
      if (Math.abs(base) > MAX_PATH_SCORE) {
        for (let i = start; i <= frontier; i++) best[i] = Math.fround(best[i]! - base);
        base = 0;
      }
      let hasCharacter = false;
      let end = start + 1;
      for (let node = trie.first(unit); node !== NO_NODE; end++) {
        const id = trie.pieceAt(node);
        if (id !== NO_PIECE) {
          const score = Math.fround(scores[id]! + base);
          if (from[end] === -1 || score > best[end]!) {
            best[end] = score;
            from[end] = start;
            piece[end] = id;
          }
          if (end - start === width) hasCharacter = true;
          if (end > frontier) frontier = end;
        }
        if (end >= length) break;
        node = trie.next(node, text.charCodeAt(end));
      }
      if (!hasCharacter) {
        const after = start + width;
        if (after > frontier) frontier = after;
        const score = Math.fround(this.#unknownScore + base);
        if (from[after] === -1 || score > best[after]!) {
          best[after] = score;
          from[after] = start;
          piece[after] = this.#model.unknownId;
        }
      }
      start += width;
    }
  }

  /** The bytes of an unknown character; the last one stands for it in positions. */
  #pushBytes(character: string, start: number, end: number, sink: PieceSink): void {
    const bytes = encoder.encode(character);
    for (let i = 0; i < bytes.length; i++)
      pushPiece(sink, this.#byteIds[bytes[i]!]!, start, i === bytes.length - 1 ? end : start);
  }
}

// --- internal ---

function byteSpelling(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}
