/**
 * GPT-2's split before the merges, as a scanner instead of the regular expression (openai/gpt-2, encoder.py):
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * \s is Unicode White_Space: without U+FEFF, which JavaScript's \s has, and without U+001C-1F, which Python's has.
 */

const KIND = { letter: 1, number: 2, space: 3, other: 4 } as const;

/** Kinds of UTF-16 units, filled as they are first seen; surrogates are looked up as whole characters. */
const kinds = new Uint8Array(0x10000);
/** The same for code points from U+10000 on. */
const astralKinds = new Uint8Array(0x100000);

/** Where the word that starts at `start` ends (exclusive), in UTF-16 units. */
export function endOfWord(text: string, start: number): number {
  const unit = text.charCodeAt(start);
  if (unit === 0x27) {
    const end = endOfContraction(text, start);
    if (end > start) return end;
  }
  let i = start;
  if (unit === 0x20 && start + 1 < text.length && kindAt(text, start + 1) !== KIND.space) i = start + 1;
  const kind = kindAt(text, i);
  const end = endOfRun(text, i, kind);
  // A run of whitespace leaves its last character to the word after it: \s+(?!\S) gives one back.
  if (kind === KIND.space && end < text.length && end - start > 1) return end - 1;
  return end;
}

// --- internal ---

function endOfContraction(text: string, start: number): number {
  const first = text[start + 1];
  if (first === 's' || first === 't' || first === 'm' || first === 'd') return start + 2;
  const both = text.slice(start + 1, start + 3);
  return both === 're' || both === 've' || both === 'll' ? start + 3 : start;
}

function endOfRun(text: string, start: number, kind: number): number {
  let i = start;
  while (i < text.length && kindAt(text, i) === kind) i += isPair(text, i) ? 2 : 1;
  return i;
}

function isPair(text: string, i: number): boolean {
  return (text.charCodeAt(i) & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00;
}

function kindAt(text: string, i: number): number {
  const unit = text.charCodeAt(i);
  if ((unit & 0xfc00) === 0xd800) {
    const codePoint = text.codePointAt(i)!;
    if (codePoint > 0xffff) return cachedKind(astralKinds, codePoint - 0x10000, codePoint);
  }
  return cachedKind(kinds, unit, unit);
}

function cachedKind(cache: Uint8Array, index: number, codePoint: number): number {
  const known = cache[index]!;
  if (known !== 0) return known;
  const kind = kindOf(codePoint);
  cache[index] = kind;
  return kind;
}

function kindOf(codePoint: number): number {
  const character = String.fromCodePoint(codePoint);
  if (/^\p{L}$/u.test(character)) return KIND.letter;
  if (/^\p{N}$/u.test(character)) return KIND.number;
  return /^\p{White_Space}$/u.test(character) ? KIND.space : KIND.other;
}
