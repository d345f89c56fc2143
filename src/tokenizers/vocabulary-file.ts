/** Reads the files that tokenizers come in, with limits, because they may come from anywhere. */
import { readFile, stat } from 'node:fs/promises';
import { IntegrityError, isSystemError, NotFoundError } from '../util/errors.ts';

/** The largest tokenizer file in the family is a 1.4 MB tokenizer.json; multilingual vocabularies reach 20 MB. */
const MAX_VOCABULARY_BYTES = 64 * 1024 * 1024;

/** The bytes of a vocabulary file. Throws NotFoundError, or IntegrityError when it is too large to be one. */
export async function readVocabularyBytes(file: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(file);
    if (size > MAX_VOCABULARY_BYTES)
      throw new IntegrityError(`${file}: ${size} bytes; a vocabulary file has at most ${MAX_VOCABULARY_BYTES}`, {
        code: 'vocabulary-too-large',
      });
    return await readFile(file);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) throw new NotFoundError(`${file} does not exist`, { code: 'file-not-found' });
    throw error;
  }
}

/** The same as UTF-8 text, a leading U+FEFF kept (Python keeps it too). Throws IntegrityError for other bytes. */
export async function readVocabularyText(file: string): Promise<string> {
  const bytes = await readVocabularyBytes(file);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new IntegrityError(`${file}: expected UTF-8 text, found bytes that are none`, {
      code: 'malformed-vocabulary',
      cause: error,
    });
  }
}
