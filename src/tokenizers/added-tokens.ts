/**
 * Tokens found in a text before the model sees it: the special ones and what was added to the vocabulary.
 * Follows PreTrainedTokenizer (transformers, tokenization_utils.py): _add_tokens, Trie.split, tokenize.
 */
import { stripLeft, stripRight } from './python-text.ts';
import type { Vocabulary } from './token-model.ts';
import type { SpecialRole, SpecialToken } from './tokenizer.ts';
import { type AddedTokenSpec, SPECIAL_ROLES, type TokenizerSettings } from './tokenizer-settings.ts';

export interface AddedToken extends AddedTokenSpec {
  readonly id: number;
}

/** A stretch of a text: an added token, or text for the model. Positions count UTF-16 units. */
export interface Segment {
  readonly text: string;
  readonly start: number;
  /** Where the whitespace before it begins that a token ate (lstrip: this one, rstrip: the one before), else `start`. What opens a text is nobody's. */
  readonly outerStart: number;
  readonly token: AddedToken | undefined;
}

export class AddedTokens {
  readonly byContent: ReadonlyMap<string, AddedToken>;
  readonly byId: ReadonlyMap<number, AddedToken>;
  readonly roles: Readonly<Partial<Record<SpecialRole, SpecialToken>>>;
  /** Contents of all special tokens. */
  readonly special: ReadonlySet<string>;
  readonly specialIds: ReadonlySet<number>;
  /** Tokens that decoding sets apart with spaces: added ones that play no role, and additional ones beyond the vocabulary. */
  readonly standAlone: ReadonlySet<string>;
  /** Tokens of the vocabulary and added ones together. */
  readonly total: number;
  readonly #trie: Trie;
  readonly #lowering: Lowering | undefined;

  /**
   * `sentinels` are tokens that a class places itself (T5's <extra_id_N>); the files' own placement wins over them.
   * `lowers` says that the tokenizer works on lower case: then tokens are found there as well.
   */
  constructor(
    vocabulary: Vocabulary,
    settings: TokenizerSettings,
    {
      sentinels = new Map(),
      lowers = false,
    }: { sentinels?: ReadonlyMap<number, AddedTokenSpec>; lowers?: boolean } = {},
  ) {
    const byContent = new Map<string, AddedToken>();
    const byId = new Map<number, AddedToken>();
    const place = (id: number, spec: AddedTokenSpec): void => {
      byId.set(id, { ...spec, id });
      byContent.set(spec.content, { ...spec, id });
    };
    for (const [id, spec] of new Map([...sentinels, ...settings.placed])) place(id, spec);

    const additional = settings.additional ?? [];
    const specials = [...SPECIAL_ROLES.map((role) => settings.roles[role]), ...additional];
    let next = vocabulary.size;
    for (const { content, id } of byContent.values())
      if (id >= vocabulary.size && vocabulary.idOf(content) === undefined) next++;
    for (const spec of specials) {
      if (spec === undefined || spec.content === '' || byContent.has(spec.content)) continue;
      place(vocabulary.idOf(spec.content) ?? next++, { ...spec, special: true });
    }
    this.byContent = byContent;
    this.byId = byId;
    this.total = next;

    const roles: Partial<Record<SpecialRole, SpecialToken>> = {};
    for (const role of SPECIAL_ROLES) {
      const content = settings.roles[role]?.content;
      const token = content === undefined ? undefined : byContent.get(content);
      if (token) roles[role] = { token: token.content, id: token.id };
    }
    this.roles = roles;
    this.special = new Set(specials.flatMap((spec) => (spec && byContent.has(spec.content) ? [spec.content] : [])));
    this.specialIds = new Set([...this.special].map((content) => byContent.get(content)!.id));
    const apart = additional.flatMap(({ content }) => {
      const token = byContent.get(content);
      return token && token.id >= vocabulary.size ? [content] : [];
    });
    this.standAlone = new Set([...[...byContent.keys()].filter((content) => !this.special.has(content)), ...apart]);
    this.#trie = new Trie(byContent.keys());
    if (lowers)
      this.#lowering = new Lowering([
        ...this.special,
        ...[...byContent.values()].flatMap((t) => (!t.special && t.normalized ? [t.content] : [])),
      ]);
  }

  /** The text cut at added tokens, or undefined when it holds none: the common case, told apart cheaply. */
  split(text: string): Segment[] | undefined {
    if (!this.#trie.mayMatch(text)) return undefined;
    const cased = this.#lowering ? this.#lowering.apply(text) : text;
    const pieces: MutableSegment[] = [];
    let start = 0;
    for (const end of [...this.#trie.cuts(cased), cased.length]) {
      if (end > start) {
        const piece = cased.slice(start, end);
        pieces.push({ text: piece, start, outerStart: start, token: this.byContent.get(piece) });
        start = end;
      }
    }
    applyFlags(pieces);
    return pieces.filter((piece) => piece.text !== '');
  }
}

// --- internal ---

interface MutableSegment {
  text: string;
  start: number;
  outerStart: number;
  token: AddedToken | undefined;
}

/** lstrip, rstrip and single_word, in the slow class's order. */
function applyFlags(pieces: MutableSegment[]): void {
  for (let i = 0; i < pieces.length; i++) {
    const piece = pieces[i]!;
    const token = piece.token;
    if (!token || piece.text === '') continue;
    const left = pieces[i - 1];
    const right = pieces[i + 1];
    const leftText = left?.text ?? '';
    const rightText = right?.text ?? '';
    if (token.rstrip && right && rightText) {
      right.text = stripLeft(rightText);
      right.start += rightText.length - right.text.length;
    }
    if (token.lstrip && left && leftText) {
      left.text = stripRight(leftText);
      if (left.text !== '' || i > 1) piece.outerStart -= leftText.length - left.text.length;
    }
    if (!token.singleWord) continue;
    if (left && leftText && !leftText.endsWith(' ')) {
      left.text += piece.text;
      left.token = undefined;
      piece.text = '';
    } else if (right && rightText && !rightText.startsWith(' ')) {
      right.text = piece.text + right.text;
      right.start = piece.start;
      right.token = undefined;
      piece.text = '';
    }
  }
}

/** Lower case for everything but the given tokens, each character alone (so Σ is always σ), length kept. */
class Lowering {
  /** By first UTF-16 unit; within it the first in order wins, as in upstream's regular expression. */
  readonly #kept = new Map<string, string[]>();

  constructor(kept: readonly string[]) {
    for (const token of kept) {
      const first = token.charAt(0);
      const others = this.#kept.get(first);
      if (others) others.push(token);
      else if (token !== '') this.#kept.set(first, [token]);
    }
  }

  apply(text: string): string {
    let out = '';
    for (let i = 0; i < text.length; ) {
      const kept = this.#kept.get(text[i]!)?.find((token) => text.startsWith(token, i));
      if (kept !== undefined) {
        out += kept;
        i += kept.length;
        continue;
      }
      const character = String.fromCodePoint(text.codePointAt(i)!);
      const lower = character.toLowerCase();
      // Only İ gets longer. The model lowers it later; no token holds it, and positions stay those of the text.
      out += lower.length === character.length ? lower : character;
      i += character.length;
    }
    return out;
  }
}

interface TrieNode {
  readonly next: Map<string, TrieNode>;
  isEnd: boolean;
}

/** Port of transformers' Trie: the earliest start wins, then the longest token, with upstream's order of look-ahead. */
class Trie {
  readonly #root: TrieNode = { next: new Map(), isEnd: false };
  /** First characters, when none has case: a text without them holds no token, lowered or not. */
  readonly #firsts: string[] | undefined;

  constructor(tokens: Iterable<string>) {
    for (const token of tokens) {
      let node = this.#root;
      for (const unit of token.split('')) {
        let child = node.next.get(unit);
        if (!child) {
          child = { next: new Map(), isEnd: false };
          node.next.set(unit, child);
        }
        node = child;
      }
      if (token !== '') node.isEnd = true;
    }
    const firsts = [...this.#root.next.keys()];
    const caseless = firsts.every((c) => c.toLowerCase() === c && c.toUpperCase() === c);
    if (caseless) this.#firsts = firsts;
  }

  mayMatch(text: string): boolean {
    if (!this.#firsts) return true;
    for (const first of this.#firsts) if (text.includes(first)) return true;
    return false;
  }

  /** Positions to cut at, ascending. */
  cuts(text: string): number[] {
    let states = new Map<number, TrieNode>();
    const cuts: number[] = [];
    let skip = 0;
    for (let current = 0; current < text.length; current++) {
      if (current < skip) continue;
      const unit = text[current]!;
      const dead: number[] = [];
      let isReset = false;
      for (const [start, node] of states) {
        if (node.isEnd) {
          const [from, to] = lookAhead(states, start, current, text);
          cuts.push(from, to);
          skip = to;
          isReset = true;
          break;
        }
        const child = node.next.get(unit);
        if (child) states.set(start, child);
        else dead.push(start);
      }
      if (isReset) states = new Map();
      else for (const start of dead) states.delete(start);
      const root = this.#root.next.get(unit);
      if (current >= skip && root) states.set(current, root);
    }
    for (const [start, node] of states) {
      if (!node.isEnd) continue;
      cuts.push(start, text.length);
      break;
    }
    return cuts;
  }
}

/** A token ended before `current`: the longest one from the earliest start that is still open, as [start, end). */
function lookAhead(states: Map<number, TrieNode>, found: number, current: number, text: string): [number, number] {
  let start = found;
  let end = current;
  for (const [lookStart, first] of states) {
    if (lookStart > start) break;
    // Earlier states have already taken the current character, this one has not.
    let index = lookStart < start ? current + 1 : current;
    end = index;
    let node: TrieNode | undefined = first;
    if (node.isEnd) start = lookStart;
    for (;;) {
      node = index < text.length ? node.next.get(text[index]!) : undefined;
      if (!node) break;
      index++;
      if (node.isEnd) {
        start = lookStart;
        end = index;
      }
    }
  }
  return [start, end];
}
