/** JSON lines as CLUE's files have them: UTF-8, at times with a byte order mark, CRLF, blank lines, no final newline. */
import { IntegrityError, messageOf } from '../util/errors.ts';

/** The longest real row has 5,123 bytes (iflytek); a longer line than this is not a row of text. */
const MAX_LINE_CHARACTERS = 1_000_000;

/** Characters of a broken line that a message shows. */
const EXCERPT_CHARACTERS = 60;

export interface JsonLine {
  /** Line number in the file, from 1. */
  readonly line: number;
  readonly value: unknown;
}

/**
 * The values of a file's lines, one after the other. Lines end at "\n" alone: texts may hold U+2028.
 * @param name the file, for messages
 * @throws IntegrityError that names the file and the line
 */
export function* parseJsonLines(bytes: Uint8Array, name: string): Generator<JsonLine> {
  let line = 0;
  for (const raw of decode(bytes, name).split('\n')) {
    line++;
    const text = raw.trim();
    if (text === '') continue;
    if (text.length > MAX_LINE_CHARACTERS)
      throw new IntegrityError(
        `${name}, line ${line}: ${text.length} characters; a row has at most ${MAX_LINE_CHARACTERS}`,
        { code: 'row-too-long', facts: { line } },
      );
    yield { line, value: parseLine(text, name, line) };
  }
}

/** The value of a file that is one JSON document. Throws IntegrityError that names the file. */
export function parseJsonDocument(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(decode(bytes, name));
  } catch (error) {
    if (error instanceof IntegrityError) throw error;
    throw new IntegrityError(`${name}: expected one JSON document (${messageOf(error)})`, {
      code: 'malformed-document',
      cause: error,
    });
  }
}

/** Strict: a file in another encoding (GBK) must not become text with replacement characters. Drops the byte order mark. */
function decode(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new IntegrityError(`${name}: expected UTF-8 text, found bytes that are not UTF-8`, {
      code: 'malformed-encoding',
      cause: error,
    });
  }
}

function parseLine(text: string, name: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const excerpt = text.length > EXCERPT_CHARACTERS ? `${text.slice(0, EXCERPT_CHARACTERS)}…` : text;
    throw new IntegrityError(
      `${name}, line ${line}: expected one JSON object, found ${excerpt} (${messageOf(error)})`,
      { code: 'malformed-row', cause: error, facts: { line } },
    );
  }
}
