/** vocab.txt: one token a line. */
import { IntegrityError } from '../util/errors.ts';
import { universalNewlines } from './python-text.ts';
import type { Vocabulary } from './token-model.ts';

/** No vocabulary of the family has more than 50,000 lines; multilingual ones reach 256,000. */
const MAX_TOKENS = 4_000_000;

export interface WordPieceVocabulary extends Vocabulary {
  readonly ids: ReadonlyMap<string, number>;
}

/**
 * Parses vocab.txt: the line number is the id. Lines end at "\n" alone (one real vocabulary has U+2028 as a token) and
 * are not trimmed; the last line may lack its end. Throws IntegrityError for an empty or impossibly long file.
 */
export function parseWordPieceVocabulary(text: string, where: string): WordPieceVocabulary {
  const lines = universalNewlines(text).split('\n');
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0 || lines.length > MAX_TOKENS)
    throw new IntegrityError(`${where}: expected 1 to ${MAX_TOKENS} lines of tokens, found ${lines.length}`, {
      code: 'malformed-vocabulary',
    });
  const ids = new Map<string, number>();
  lines.forEach((token, id) => {
    ids.set(token, id);
  });
  return {
    ids,
    size: ids.size,
    idOf: (token) => ids.get(token),
    // A line that repeats an earlier one takes its token over; the earlier id has none.
    tokenOf: (id) => (ids.get(lines[id] ?? '') === id ? lines[id] : undefined),
  };
}
