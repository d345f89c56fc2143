/**
 * Words as BERT's BasicTokenizer makes them (transformers, models/bert/tokenization_bert.py), with where each
 * character came from. This is the rule book; wordpiece.ts has the fast path and asks here where context matters.
 */
import { isSpace } from './python-text.ts';

export interface WordRules {
  readonly lowerCase: boolean;
  readonly stripAccents: boolean;
  /** Chinese characters stand alone. */
  readonly splitChinese: boolean;
  /** Words that are neither lowered nor split at punctuation: the special tokens. */
  readonly neverSplit: ReadonlySet<string>;
}

/** A word and, for each UTF-16 unit of it, the range [start, end) of the text it came from, in UTF-16 units. */
export interface Word {
  readonly text: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

/** The blocks BERT calls Chinese, [first, last]. The gaps (U+2CEB0 on, kana, Hangul) are upstream's. */
const CHINESE_BLOCKS: readonly (readonly [number, number])[] = [
  [0x4e00, 0x9fff],
  [0x3400, 0x4dbf],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b73f],
  [0x2b740, 0x2b81f],
  [0x2b820, 0x2ceaf],
  [0xf900, 0xfaff],
  [0x2f800, 0x2fa1f],
];

/** A nonspacing mark until Unicode 15, as in the Unicode 14 of the reference; a spacing one since. */
const FORMER_NONSPACING_MARK = '\u{1171E}';

/** Splits a text into words. */
export function splitWords(text: string, rules: WordRules): Word[] {
  const words: Word[] = [];
  let chunk = new Characters();
  const flush = (): void => {
    if (chunk.texts.length === 0) return;
    pushWords(chunk, rules, words);
    chunk = new Characters();
  };
  for (let i = 0; i < text.length; ) {
    const character = String.fromCodePoint(text.codePointAt(i)!);
    const end = i + character.length;
    for (const c of rules.lowerCase ? character.toLowerCase() : character) {
      if (isBertWhitespace(c)) {
        flush();
      } else if (isDropped(c)) {
        // as if it were not there: the word goes on
      } else if (rules.splitChinese && isChinese(c.codePointAt(0)!)) {
        flush();
        chunk.push(c, i, end);
        flush();
      } else {
        chunk.push(c, i, end);
      }
    }
    i = end;
  }
  flush();
  return words;
}

export function isChinese(codePoint: number): boolean {
  return codePoint >= 0x3400 && CHINESE_BLOCKS.some(([first, last]) => codePoint >= first && codePoint <= last);
}

/** ASCII symbols count as punctuation, $ and ^ too. */
export function isPunctuation(character: string): boolean {
  return /^[!-/:-@[-`{-~\p{P}]$/u.test(character);
}

/** Space, tab, line ends and category Zs. */
export function isBertWhitespace(character: string): boolean {
  return /^[ \t\n\r\p{Zs}]$/u.test(character);
}

// --- internal ---

/** Code points with the range of the text that each came from. */
class Characters {
  readonly texts: string[] = [];
  readonly starts: number[] = [];
  readonly ends: number[] = [];

  push(text: string, start: number, end: number): void {
    this.texts.push(text);
    this.starts.push(start);
    this.ends.push(end);
  }

  slice(from: number, to: number): Characters {
    const part = new Characters();
    for (let i = from; i < to; i++) part.push(this.texts[i]!, this.starts[i]!, this.ends[i]!);
    return part;
  }

  get text(): string {
    return this.texts.join('');
  }

  toWord(): Word {
    const starts: number[] = [];
    const ends: number[] = [];
    this.texts.forEach((text, i) => {
      for (let unit = 0; unit < text.length; unit++) {
        starts.push(this.starts[i]!);
        ends.push(this.ends[i]!);
      }
    });
    return { text: this.text, starts, ends };
  }
}

/** Categories C* (control, format, surrogate, private, unassigned) and U+FFFD go; tab and line ends were spaces before. */
function isDropped(character: string): boolean {
  return character === '\uFFFD' || /^\p{C}$/u.test(character);
}

/** Words of a run between whitespace and Chinese characters. Upstream composes (NFC) before all else. */
function pushWords(chunk: Characters, rules: WordRules, words: Word[]): void {
  // Accents are stripped from the decomposed form, which is the same composed or not: so positions stay exact.
  const characters = rules.stripAccents ? chunk : compose(chunk);
  let start = 0;
  for (let i = 0; i <= characters.texts.length; i++) {
    if (i < characters.texts.length && !isSpace(characters.texts[i]!)) continue; // U+2028 and U+2029 part words only here
    if (i > start) {
      const word = characters.slice(start, i);
      if (rules.neverSplit.has(word.text.normalize('NFC'))) words.push(compose(word).toWord());
      else splitAtPunctuation(rules.stripAccents ? stripAccents(word) : word, words);
    }
    start = i + 1;
  }
}

function splitAtPunctuation(word: Characters, words: Word[]): void {
  let start = 0;
  for (let i = 0; i <= word.texts.length; i++) {
    const isEnd = i === word.texts.length;
    if (!isEnd && !isPunctuation(word.texts[i]!)) continue;
    if (i > start) words.push(word.slice(start, i).toWord());
    if (!isEnd) words.push(word.slice(i, i + 1).toWord());
    start = i + 1;
  }
}

/** NFC. Characters that compose together share the range of all of them. */
function compose(chunk: Characters): Characters {
  const text = chunk.text;
  const whole = text.normalize('NFC');
  if (whole === text) return chunk;
  const out = new Characters();
  const count = chunk.texts.length;
  for (let from = 0; from < count; ) {
    let to = from + 1;
    while (to < count && joinsThePrevious(chunk.texts[to]!)) to++;
    spread(chunk.slice(from, to), [...chunk.slice(from, to).text.normalize('NFC')], out);
    from = to;
  }
  if (out.text === whole) return out;
  const all = new Characters();
  spread(chunk, [...whole], all);
  return all;
}

/** Marks and the second and third parts of decomposed Hangul. */
function joinsThePrevious(character: string): boolean {
  return /^[\p{M}\u1161-\u1175\u11a8-\u11c2]$/u.test(character);
}

/** NFD without nonspacing marks. */
function stripAccents(word: Characters): Characters {
  const out = new Characters();
  word.texts.forEach((text, i) => {
    for (const c of withoutMarks(text)) out.push(c, word.starts[i]!, word.ends[i]!);
  });
  const whole = withoutMarks(word.text);
  if (out.text === whole.join('')) return out;
  const all = new Characters(); // spacing marks of two characters changed places
  spread(word, whole, all);
  return all;
}

function withoutMarks(text: string): string[] {
  return [...text.normalize('NFD')].filter((c) => c !== FORMER_NONSPACING_MARK && !/^\p{Mn}$/u.test(c));
}

/** Gives `texts` the ranges of `source`: one to one when as many, else each the range of all. */
function spread(source: Characters, texts: readonly string[], out: Characters): void {
  const isOneToOne = texts.length === source.texts.length;
  const start = source.starts[0]!;
  const end = source.ends[source.ends.length - 1]!;
  texts.forEach((text, i) => {
    out.push(text, isOneToOne ? source.starts[i]! : start, isOneToOne ? source.ends[i]! : end);
  });
}
