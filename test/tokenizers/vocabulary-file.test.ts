import { truncateSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { readVocabularyText } from '../../src/tokenizers/vocabulary-file.ts';
import { folderWith } from './fixtures.ts';

it('refuses a file that is too large to be a vocabulary before reading it', async () => {
  const file = path.join(folderWith({ 'vocab.txt': '' }), 'vocab.txt');
  truncateSync(file, 65 * 1024 * 1024);
  await expect(readVocabularyText(file)).rejects.toMatchObject({ code: 'vocabulary-too-large', exitCode: 6 });
});

it('says when a file is not there', async () => {
  await expect(readVocabularyText(path.join(folderWith({}), 'vocab.txt'))).rejects.toMatchObject({ exitCode: 3 });
});
