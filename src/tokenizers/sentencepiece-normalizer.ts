/**
 * SentencePiece's normaliser (google/sentencepiece, normalizer.cc): the longest rule of the compiled map that matches at
 * each place, spaces as "▁", extra ones dropped. Whole-string NFKC would not do: rules match longest-first.
 */
import { IntegrityError } from '../util/errors.ts';
import type { NormalizerSpec } from './sentencepiece-model.ts';
import { utf8Byte, utf8Length } from './utf8.ts';

export const SPACE_SYMBOL = '\u2581';

export interface NormalizedText {
  readonly text: string;
  /** If asked for: for each UTF-16 unit of `text`, and once more for its end, the UTF-16 position in the original. */
  readonly origins: readonly number[] | undefined;
}

/** What is known about the text that starts with a UTF-16 unit. 0 is "not seen yet". */
const KIND = { same: 1, mapped: 2, searched: 3 } as const;

export class SentencePieceNormalizer {
  readonly #spec: NormalizerSpec;
  readonly #rules: CharacterMap | undefined;
  /** Symbols that stay as they are wherever they stand, longest first, by first UTF-16 unit. */
  readonly #verbatim = new Map<number, string[]>();
  readonly #kinds = new Uint8Array(0x10000);
  readonly #mapped = new Map<number, string>();
  /** Where the rules go on after a unit. */
  readonly #nodes = new Map<number, MapNode>();

  constructor(spec: NormalizerSpec, verbatim: readonly string[], where: string) {
    this.#spec = spec;
    this.#rules = spec.charsmap.length > 0 ? new CharacterMap(spec.charsmap, where) : undefined;
    for (const symbol of [...verbatim].sort((a, b) => b.length - a.length)) {
      const first = symbol.charCodeAt(0);
      const others = this.#verbatim.get(first);
      if (others) others.push(symbol);
      else this.#verbatim.set(first, [symbol]);
    }
  }

  normalize(text: string, withOrigins: boolean): NormalizedText {
    const origins: number[] | undefined = withOrigins ? [] : undefined;
    return { text: this.#run(text, origins), origins };
  }

  // --- internal ---

  #run(text: string, origins: number[] | undefined): string {
    const { removeExtraWhitespaces, addDummyPrefix } = this.#spec;
    let at = 0;
    if (removeExtraWhitespaces)
      while (at < text.length) {
        const [replacement, length] = this.#prefix(text, at);
        if (replacement !== ' ') break;
        at += length;
      }
    if (at === text.length) return '';
    let out = '';
    const append = (piece: string): void => {
      out += piece;
      if (origins) for (let i = 0; i < piece.length; i++) origins.push(at);
    };
    if (addDummyPrefix) append(SPACE_SYMBOL);
    let afterSpace = removeExtraWhitespaces;
    while (at < text.length) {
      const end = this.#endOfPlain(text, at);
      if (end > at) {
        out += text.slice(at, end);
        if (origins) for (let i = at; i < end; i++) origins.push(i);
        afterSpace = false;
        at = end;
        continue;
      }
      let [replacement, length] = this.#prefix(text, at);
      if (afterSpace) while (replacement.startsWith(' ')) replacement = replacement.slice(1);
      if (replacement !== '') {
        append(replacement.includes(' ') ? replacement.replaceAll(' ', SPACE_SYMBOL) : replacement);
        afterSpace = removeExtraWhitespaces && replacement.endsWith(' ');
      }
      at += length;
    }
    if (removeExtraWhitespaces)
      while (out.endsWith(SPACE_SYMBOL)) {
        out = out.slice(0, -1);
        if (origins) at = origins.pop()!;
      }
    origins?.push(at);
    return out;
  }

  /** End of the characters from a position on that stay as they are; none is a space. */
  #endOfPlain(text: string, at: number): number {
    let end = at;
    while (end < text.length) {
      const unit = text.charCodeAt(end);
      if ((this.#kinds[unit] || this.#classify(unit)) !== KIND.same) break;
      end++;
    }
    return end;
  }

  #classify(unit: number): number {
    const kind = this.#kindOf(unit);
    this.#kinds[unit] = kind;
    return kind;
  }

  #kindOf(unit: number): number {
    if (unit === 0x20 || (unit & 0xf800) === 0xd800 || this.#verbatim.has(unit)) return KIND.searched;
    const node = this.#rules?.first(unit);
    if (!this.#rules || !node) return KIND.same;
    if (this.#rules.continues(node)) {
      this.#nodes.set(unit, node);
      return KIND.searched;
    }
    const replacement = this.#rules.replacementAt(node);
    if (replacement === undefined) return KIND.same;
    this.#mapped.set(unit, replacement);
    return KIND.mapped;
  }

  /** What the text at a position turns into, and how many UTF-16 units that takes. */
  #prefix(text: string, at: number): [replacement: string, length: number] {
    const unit = text.charCodeAt(at);
    const kind = this.#kinds[unit] || this.#classify(unit);
    if (kind === KIND.same) return [text.charAt(at), 1];
    if (kind === KIND.mapped) return [this.#mapped.get(unit)!, 1];
    const symbol = this.#verbatim.get(unit)?.find((candidate) => text.startsWith(candidate, at));
    if (symbol !== undefined) return [symbol, symbol.length];
    const node = this.#nodes.get(unit) ?? this.#rules?.first(text.codePointAt(at)!);
    return (node && this.#rules?.longest(node, text, at)) ?? ownCharacter(text, at);
  }
}

// --- internal ---

/** A character as it is; half a surrogate pair is no character and reads as U+FFFD, as in UTF-8. */
function ownCharacter(text: string, at: number): [string, number] {
  const character = String.fromCodePoint(text.codePointAt(at)!);
  return [/^\p{Cs}$/u.test(character) ? '\uFFFD' : character, character.length];
}

/** A place in the compiled rules: the unit reached, and where its children are. */
interface MapNode {
  readonly unit: number;
  readonly children: number;
}

/**
 * The compiled rules: 4 bytes length, a double-array trie over UTF-8 bytes (darts-clone: 32-bit little-endian units),
 * then the replacements, each ended by a zero byte. A leaf's value is the position of its replacement.
 */
class CharacterMap {
  readonly #units: Uint32Array;
  readonly #replacements: Uint8Array;
  readonly #where: string;

  constructor(blob: Uint8Array, where: string) {
    const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
    const trieSize = blob.length >= 4 ? view.getUint32(0, true) : -1;
    if (trieSize < 4 || trieSize % 4 !== 0 || 4 + trieSize > blob.length)
      throw new IntegrityError(`${where}: normalisation rules of ${blob.length} bytes say their trie has ${trieSize}`, {
        code: 'malformed-vocabulary',
      });
    this.#units = Uint32Array.from({ length: trieSize / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#replacements = blob.subarray(4 + trieSize);
    this.#where = where;
  }

  /** The node after a character, undefined when no rule begins with it. */
  first(codePoint: number): MapNode | undefined {
    return this.#walk(offsetOf(this.#unit(0)), codePoint);
  }

  /** What the text up to a node turns into, if a rule ends there. */
  replacementAt(node: MapNode): string | undefined {
    if (((node.unit >>> 8) & 1) === 0) return undefined;
    const start = this.#unit(node.children) & 0x7fffffff;
    const end = this.#replacements.indexOf(0, start);
    if (start >= this.#replacements.length || end < 0)
      throw new IntegrityError(
        `${this.#where}: normalisation rules point to byte ${start} of ${this.#replacements.length}`,
        {
          code: 'malformed-vocabulary',
        },
      );
    return Buffer.from(this.#replacements.subarray(start, end)).toString('utf8');
  }

  /** Whether longer rules exist. */
  continues(node: MapNode): boolean {
    for (let byte = 1; byte < 256; byte++) if (labelOf(this.#units[node.children ^ byte] ?? 0) === byte) return true;
    return false;
  }

  /** The longest rule that begins with the character of `node`, which stands at `at`. */
  longest(node: MapNode, text: string, at: number): [replacement: string, length: number] | undefined {
    let end = at + (text.codePointAt(at)! > 0xffff ? 2 : 1);
    let best: MapNode | undefined;
    let length = 0;
    for (let here: MapNode | undefined = node; here; ) {
      if (((here.unit >>> 8) & 1) === 1) {
        best = here;
        length = end - at;
      }
      const codePoint = text.codePointAt(end);
      if (codePoint === undefined) break;
      here = this.#walk(here.children, codePoint);
      end += codePoint > 0xffff ? 2 : 1;
    }
    return best && [this.replacementAt(best)!, length];
  }

  #walk(children: number, codePoint: number): MapNode | undefined {
    let position = children;
    let unit = 0;
    for (let i = 0; i < utf8Length(codePoint); i++) {
      const byte = utf8Byte(codePoint, i);
      position ^= byte;
      unit = this.#unit(position);
      if (labelOf(unit) !== byte) return undefined;
      position ^= offsetOf(unit);
    }
    return { unit, children: position };
  }

  #unit(position: number): number {
    const unit = this.#units[position];
    if (unit !== undefined) return unit;
    throw new IntegrityError(`${this.#where}: normalisation rules point to unit ${position} of ${this.#units.length}`, {
      code: 'malformed-vocabulary',
    });
  }
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

/** The byte a unit is for; a leaf's value has the top bit set and is for none. */
function labelOf(unit: number): number {
  return (unit & 0x800000ff) >>> 0;
}
