/** The committed tokenizers: vocabularies cut down by fixtures/tokenizers/make.py, with the slow classes' answers. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { afterAll } from 'vitest';
import { type OpenTokenizerOptions, openTokenizer } from '../../src/tokenizers/open.ts';
import type { Tokenizer, Truncation } from '../../src/tokenizers/tokenizer.ts';
import { type Decoded, type GoldenCase, readGolden } from './golden.ts';

export interface FixtureGolden {
  readonly options: OpenTokenizerOptions;
  readonly vocabularySize: number;
  readonly cases: readonly GoldenCase[];
  readonly pairs: readonly {
    readonly text: string;
    readonly pair: string | null;
    readonly truncation: Truncation;
    readonly maxLength: number;
    readonly padTo: number | null;
    readonly ids: number[];
    readonly typeIds: number[];
    readonly attentionMask: number[];
  }[];
  readonly batches: readonly {
    readonly texts: string[];
    readonly side: 'left' | 'right';
    readonly multipleOf: number | null;
    readonly maxLength: number;
    readonly ids: number[][];
    readonly attentionMask: number[][];
  }[];
  readonly decode: readonly { readonly ids: number[]; readonly decoded: Decoded }[];
}

const FOLDER = fileURLToPath(new URL('../fixtures/tokenizers', import.meta.url));

/** Golden → folder of its vocabulary. */
export const FIXTURES = {
  wordpiece: 'wordpiece',
  'wordpiece-cased': 'wordpiece',
  'wordpiece-randeng': 'wordpiece',
  'byte-bpe': 'byte-bpe',
  unigram: 'unigram',
  'unigram-sentinels': 'unigram',
} as const;

export type FixtureName = keyof typeof FIXTURES;
export const FIXTURE_NAMES = Object.keys(FIXTURES) as FixtureName[];

export function fixtureGolden(name: FixtureName): FixtureGolden {
  return readGolden(path.join(FOLDER, `${name}.json.gz`));
}

/** The SentencePiece model of the unigram fixtures. */
export function modelFixture(): Buffer {
  return brotliDecompressSync(readFileSync(path.join(FOLDER, 'spiece.model.br')));
}

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A fresh folder with these files, removed after the test file that asked for it. */
export function folderWith(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fsb-tokenizer-'));
  folders.push(folder);
  for (const [file, content] of Object.entries(files)) writeFileSync(path.join(folder, file), content);
  return folder;
}

/** A folder with the vocabulary files of a fixture, a fresh copy that may be written to. */
export function fixtureFolder(name: FixtureName): string {
  const folder = folderWith({});
  if (FIXTURES[name] === 'unigram') writeFileSync(path.join(folder, 'spiece.model'), modelFixture());
  else cpSync(path.join(FOLDER, FIXTURES[name]), folder, { recursive: true });
  return folder;
}

/** Opens a fixture with the options its golden was made with, others on top. */
export function openFixture(name: FixtureName, options: OpenTokenizerOptions = {}): Promise<Tokenizer> {
  return openTokenizer(fixtureFolder(name), { ...fixtureGolden(name).options, ...options });
}
