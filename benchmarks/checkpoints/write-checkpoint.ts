/** Writes a checkpoint folder with random weights: config.json, pytorch_model.bin, tokenizer files. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathExists } from '../../src/util/files.ts';
import { chineseVocabulary } from './chinese-vocabulary.ts';
import { FAMILIES } from './families.ts';
import type { Preset } from './presets.ts';
import { fillBytes } from './random-numbers.ts';
import { writeTorchArchive } from './torch-archive.ts';

const TOKENIZER_FILES = ['vocab.txt', 'vocab.json', 'merges.txt'];

export interface WriteCheckpointOptions {
  /** @default 0 */
  readonly seed?: number;
  /**
   * Folder whose tokenizer files are copied. @default a vocabulary of 21128 lines that knows every common Han
   * character, for encoders; none for decoders, which then take ids and no text
   */
  readonly tokenizer?: string | undefined;
}

/** Makes the folder; returns the size of its weight file in bytes. */
export async function writeCheckpoint(
  folder: string,
  preset: Preset,
  { seed = 0, tokenizer }: WriteCheckpointOptions = {},
): Promise<number> {
  const family = FAMILIES[preset.family];
  await mkdir(folder, { recursive: true });
  const config = family.config(preset, preset.head);
  await writeFile(path.join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  if (tokenizer !== undefined) {
    for (const name of TOKENIZER_FILES)
      if (await pathExists(path.join(tokenizer, name)))
        await copyFile(path.join(tokenizer, name), path.join(folder, name));
  } else if (preset.family !== 'gpt2') {
    await writeFile(path.join(folder, 'vocab.txt'), `${chineseVocabulary().join('\n')}\n`);
  }
  const { storages, views } = family.layout(preset, preset.head);
  const records = storages.map(({ count, fill }, i) => ({
    count,
    bytes: () => fillBytes(fill, preset.dtype, count, seed * 1_000_003 + i),
  }));
  return writeTorchArchive(path.join(folder, 'pytorch_model.bin'), preset.dtype, records, views);
}
