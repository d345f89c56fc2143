/**
 * WordPiece as BertTokenizer does it: words (bert-words.ts), then the longest piece first within each word.
 *
 * The fast path looks at one UTF-16 unit at a time with a table that is filled as units are first seen: Chinese
 * characters and punctuation are one token each, plain words come from a cache. Where neighbours matter (combining
 * marks, surrogates, dropped characters) the stretch between two spaces or Chinese characters goes by the rule book.
 */
import { isBertWhitespace, isChinese, isPunctuation, splitWords, type WordRules } from './bert-words.ts';
import { BoundedCache } from './bounded-cache.ts';
import { strip } from './python-text.ts';
import {
  type AlignedPieces,
  type PieceSink,
  pushPiece,
  pushPieces,
  type StreamJoin,
  type TokenModel,
} from './token-model.ts';
import type { WordPieceVocabulary } from './wordpiece-vocabulary.ts';

/** Longer words are one unknown token; upstream's max_input_chars_per_word, in code points. */
const MAX_WORD_CHARACTERS = 100;
const CONTINUATION = '##';
/** What a UTF-16 unit means for the scanner. 0 is "not seen yet". */
const KIND = { word: 1, space: 2, punctuation: 3, chinese: 4, dropped: 5, contextual: 6 } as const;

export class WordPiece implements TokenModel {
  readonly kind = 'wordpiece';
  readonly trims = true;
  readonly vocabulary: WordPieceVocabulary;
  readonly unknownToken: string;
  readonly #unknownId: number;
  readonly #rules: WordRules;
  /** Pieces inside a word, without their "##". */
  readonly #continuations = new Map<string, number>();
  readonly #longestPiece: number;
  readonly #longestContinuation: number;
  readonly #kinds = new Uint8Array(0x10000);
  /** The id of a word of one unit, -1 when it takes several pieces. */
  readonly #singles = new Int32Array(0x10000).fill(-1);
  /** What a unit becomes inside a word: lower case, no accent. */
  readonly #forms: (string | undefined)[] = [];
  readonly #words = new BoundedCache<AlignedPieces>();
  readonly #stretches = new BoundedCache<AlignedPieces>();

  /** `unknown` is what a word without pieces becomes; its id may lie beyond the vocabulary. */
  constructor(vocabulary: WordPieceVocabulary, unknown: { token: string; id: number }, rules: WordRules) {
    this.vocabulary = vocabulary;
    this.unknownToken = unknown.token;
    this.#unknownId = unknown.id;
    this.#rules = rules;
    let longest = 0;
    let longestContinuation = 0;
    for (const [token, id] of vocabulary.ids) {
      longest = Math.max(longest, token.length);
      if (!token.startsWith(CONTINUATION)) continue;
      const piece = token.slice(CONTINUATION.length);
      this.#continuations.set(piece, id);
      longestContinuation = Math.max(longestContinuation, piece.length);
    }
    this.#longestPiece = longest;
    this.#longestContinuation = longestContinuation;
  }

  encode(text: string, sink: PieceSink): void {
    const kinds = this.#kinds;
    const { ids, positions } = sink;
    let stretch = 0; // start of the stretch between spaces and Chinese characters
    let mark = ids.length; // pieces before that stretch
    let word = -1; // start of the open word
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      const kind = kinds[unit] || this.#classify(unit);
      if (kind === KIND.word) {
        if (word < 0) word = i;
        continue;
      }
      if (kind === KIND.dropped && stretch === i) {
        stretch = i + 1;
        continue;
      }
      if (kind >= KIND.dropped) {
        ids.length = mark;
        if (positions) positions.starts.length = positions.ends.length = mark;
        const end = this.#endOfStretch(text, i + 1);
        this.#encodeStretch(text.slice(stretch, end), stretch, sink);
        i = end - 1;
        stretch = end;
        mark = ids.length;
        word = -1;
        continue;
      }
      if (word >= 0) {
        this.#encodeWord(text, word, i, sink);
        word = -1;
      }
      if (kind !== KIND.space) pushPiece(sink, this.#singles[unit]!, i, i + 1);
      if (kind !== KIND.punctuation) {
        stretch = i + 1;
        mark = ids.length;
      }
    }
    if (word >= 0) this.#encodeWord(text, word, text.length, sink);
  }

  join(tokens: readonly string[]): string {
    return strip(tokens.join(' ').replaceAll(` ${CONTINUATION}`, ''));
  }

  streamJoin(): StreamJoin {
    let isFirst = true;
    return {
      push: (token) => {
        const separate = isFirst ? token : ` ${token}`;
        isFirst = false;
        return separate.startsWith(` ${CONTINUATION}`) ? separate.slice(1 + CONTINUATION.length) : separate;
      },
      end: () => {
        isFirst = true;
        return '';
      },
    };
  }

  // --- internal ---

  #classify(unit: number): number {
    const kind = this.#kindOf(unit);
    this.#kinds[unit] = kind;
    return kind;
  }

  #kindOf(unit: number): number {
    const character = String.fromCharCode(unit);
    if (/^[\p{M}\u1160-\u11ff\ud7b0-\ud7ff\ud800-\udfff]$/u.test(character)) return KIND.contextual;
    if (isBertWhitespace(character) || unit === 0x2028 || unit === 0x2029) return KIND.space;
    const words = splitWords(character, this.#rules);
    const word = words[0]?.text;
    if (word === undefined) return KIND.dropped;
    if (words.length > 1) return KIND.contextual;
    const pieces: number[] = [];
    this.#eachPiece(word, (id) => pieces.push(id));
    if (pieces.length === 1) this.#singles[unit] = pieces[0]!;
    this.#forms[unit] = word;
    if (this.#rules.splitChinese && isChinese(unit)) return pieces.length === 1 ? KIND.chinese : KIND.contextual;
    return isPunctuation(word) ? KIND.punctuation : KIND.word;
  }

  #endOfStretch(text: string, from: number): number {
    for (let i = from; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      const kind = this.#kinds[unit] || this.#classify(unit);
      if (kind === KIND.space || kind === KIND.chinese) return i;
    }
    return text.length;
  }

  #encodeStretch(stretch: string, at: number, sink: PieceSink): void {
    pushPieces(sink, this.#stretches.get(stretch) ?? this.#stretches.set(stretch, this.#byRuleBook(stretch)), at);
  }

  #encodeWord(text: string, start: number, end: number, sink: PieceSink): void {
    if (end - start === 1) {
      const id = this.#singles[text.charCodeAt(start)]!;
      if (id >= 0) {
        pushPiece(sink, id, start, end);
        return;
      }
    }
    const word = text.slice(start, end);
    pushPieces(sink, this.#words.get(word) ?? this.#words.set(word, this.#byTable(word)), start);
  }

  #byRuleBook(text: string): AlignedPieces {
    const out: AlignedPieces = { ids: [], starts: [], ends: [] };
    for (const word of splitWords(text, this.#rules)) {
      this.#eachPiece(word.text, (id, from, to) => {
        out.ids.push(id);
        out.starts.push(word.starts[from]!);
        out.ends.push(word.ends[to - 1]!);
      });
    }
    return out;
  }

  /** A word of plain units, each of which stands for itself whatever its neighbours. */
  #byTable(word: string): AlignedPieces {
    const out: AlignedPieces = { ids: [], starts: [], ends: [] };
    let form = '';
    const origins: number[] = [];
    for (let i = 0; i < word.length; i++) {
      const part = this.#forms[word.charCodeAt(i)]!;
      form += part;
      for (let n = 0; n < part.length; n++) origins.push(i);
    }
    this.#eachPiece(form, (id, from, to) => {
      out.ids.push(id);
      out.starts.push(origins[from]!);
      out.ends.push(origins[to - 1]! + 1);
    });
    return out;
  }

  /** Greedy longest match, all or nothing; `from` and `to` are UTF-16 positions in the word. */
  #eachPiece(word: string, emit: (id: number, from: number, to: number) => void): void {
    const isTooLong = word.length > MAX_WORD_CHARACTERS && [...word].length > MAX_WORD_CHARACTERS;
    const pieces: number[] = [];
    const bounds: number[] = [0];
    for (let start = 0; start < word.length; ) {
      const table = start === 0 ? this.vocabulary.ids : this.#continuations;
      let end = Math.min(word.length, start + (start === 0 ? this.#longestPiece : this.#longestContinuation));
      let id: number | undefined;
      for (; end > start && !isTooLong; end--) {
        id = table.get(word.slice(start, end));
        if (id !== undefined) break;
      }
      if (id === undefined) {
        emit(this.#unknownId, 0, word.length);
        return;
      }
      pieces.push(id);
      bounds.push(end);
      start = end;
    }
    for (let i = 0; i < pieces.length; i++) emit(pieces[i]!, bounds[i]!, bounds[i + 1]!);
  }
}
