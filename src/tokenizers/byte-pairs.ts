/** The files of byte-level BPE: vocab.json, merges.txt and the alphabet that writes bytes as characters. */
import { IntegrityError } from '../util/errors.ts';
import { universalNewlines } from './python-text.ts';
import type { Vocabulary } from './token-model.ts';

/** GPT-2 has 50,257 tokens; the largest byte-level vocabularies reach 256,000. */
const MAX_TOKENS = 4_000_000;

/** Two tokens that become one; earlier ones in the file go first. */
export type Merge = readonly [left: string, right: string];

export interface ByteVocabulary extends Vocabulary {
  readonly ids: ReadonlyMap<string, number>;
}

/**
 * Byte → the character that stands for it (openai/gpt-2: bytes_to_unicode): printable Latin-1 stands for itself, the
 * rest follows from U+0100 on in byte order.
 */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

/** The reverse: character → byte. */
export const CHARACTER_BYTES: ReadonlyMap<string, number> = new Map(BYTE_CHARACTERS.map((c, byte) => [c, byte]));

/** Checks and indexes the content of vocab.json, an object of token → id. Throws IntegrityError for anything else. */
export function parseByteVocabulary(json: unknown, where: string): ByteVocabulary {
  const ids = new Map<string, number>();
  const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
  const entries = Object.entries(isObject ? json : {});
  const tokens = new Array<string | undefined>(entries.length).fill(undefined); // ids are dense as a rule, in any order
  for (const [token, id] of entries) {
    if (!Number.isInteger(id) || id < 0 || id > MAX_TOKENS)
      throw new IntegrityError(
        `${where}: expected an id from 0 to ${MAX_TOKENS} for ${JSON.stringify(token)}, found ${JSON.stringify(id)}`,
        {
          code: 'malformed-vocabulary',
        },
      );
    ids.set(token, id);
    tokens[id] = token;
  }
  if (ids.size === 0)
    throw new IntegrityError(`${where}: expected an object of tokens with their ids`, { code: 'malformed-vocabulary' });
  return { ids, size: ids.size, idOf: (token) => ids.get(token), tokenOf: (id) => tokens[id] };
}

/**
 * Parses merges.txt: pairs in order of rank. As upstream, the first line (#version) and what follows the last line end
 * are left out, and a line that is not two parts never matches.
 */
export function parseMerges(text: string): Merge[] {
  const pairs: Merge[] = [];
  for (const line of universalNewlines(text).split('\n').slice(1, -1)) {
    const parts = line.split(' ');
    const [left, right] = parts.length === 2 ? parts : splitWhitespace(line);
    if (left && right) pairs.push([left, right]);
  }
  return pairs;
}

// --- internal ---

function byteCharacters(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    return String.fromCharCode(isPrintable ? byte : next++);
  });
}

/** str.split(): at whitespace of any kind. */
function splitWhitespace(line: string): string[] {
  const parts = line.split(/[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/);
  const words = parts.filter((part) => part !== '');
  return words.length === 2 ? words : [];
}
