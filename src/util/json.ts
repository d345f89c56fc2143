/** JSON from outside, parsed with an error that names the place. */
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import { IntegrityError, isSystemError, messageOf, NotFoundError } from './errors.ts';

/** Larger JSON than this is not a configuration file: tokenizer.json of the biggest model here is 10 MB. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;

/** Reads and parses a JSON file. Throws NotFoundError when it is absent, IntegrityError when it is no JSON. */
export async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    const bytes = await readFile(file);
    if (bytes.length > MAX_JSON_BYTES)
      throw new IntegrityError(`${file}: ${bytes.length} bytes; a JSON file here has at most ${MAX_JSON_BYTES}`, {
        code: 'json-too-large',
      });
    text = bytes.toString('utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) throw new NotFoundError(`${file} does not exist`, { code: 'file-not-found' });
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new IntegrityError(`${file}: not valid JSON: ${messageOf(error)}`, { code: 'malformed-json', cause: error });
  }
}

/** Checks a value against a zod schema; the error names `where`, the path inside and what was expected. */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues
    .slice(0, 8)
    .map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`);
  throw new IntegrityError(`${where}: ${issues.join('; ')}`, { code: 'malformed-document', facts: { issues } });
}
