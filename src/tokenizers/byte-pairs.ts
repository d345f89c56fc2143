/** The files of byte-level BPE: vocab.json, merges.txt and the alphabet that writes bytes as characters. */
import { z } from 'zod';
import { IntegrityError } from '../util/errors.ts';
import { parseWith } from '../util/json.ts';
import { universalNewlines } from './python-text.ts';
import type { Vocabulary } from './token-model.ts';

/** GPT-2 has 50,257 tokens; the largest byte-level vocabularies reach 256,000. */
const MAX_TOKENS = 4_000_000;

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

/** Checks and indexes the content of vocab.json, an object of token → id. */
export function parseByteVocabulary(json: unknown, where: string): ByteVocabulary {
  const entries = Object.entries(parseWith(z.record(z.string(), z.number().int().min(0).max(MAX_TOKENS)), json, where));
  if (entries.length === 0)
    throw new IntegrityError(`${where}: expected tokens with their ids, found none`, { code: 'malformed-vocabulary' });
  const ids = new Map(entries);
  const tokens: (string | undefined)[] = [];
  for (const [token, id] of entries) tokens[id] = token;
  return { ids, size: ids.size, idOf: (token) => ids.get(token), tokenOf: (id) => tokens[id] };
}

/**
 * Parses merges.txt: pairs in order of rank. As upstream, the first line (#version) and what follows the last line end
 * are left out, and a line that is not two parts never matches.
 */
export function parseMerges(text: string): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  for (const line of universalNewlines(text).split('\n').slice(1, -1)) {
    const parts = line.split(/\s+/).filter((part) => part !== '');
    if (parts.length === 2) pairs.push([parts[0]!, parts[1]!]);
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
