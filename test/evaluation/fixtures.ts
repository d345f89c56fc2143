/** Paths and small stand-ins shared by the evaluation tests. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { EncodedRow, HeadScorer } from '../../src/evaluation/head-scorer.ts';
import { type HeadMethodOptions, headMethod } from '../../src/evaluation/methods/head.ts';
import { type PredictOptions, predict } from '../../src/evaluation/predict.ts';

/** Synthetic rows in the data sets' formats, a folder per task. */
export const FIXTURES = path.resolve('test/fixtures/evaluation');

/** The larger sets beside the repository, used when present. */
export const SHARED = path.resolve('..', 'shared');

/** Whether the larger sets are there; says so when not. */
export function hasShared(...parts: string[]): boolean {
  const target = path.join(SHARED, ...parts);
  const present = existsSync(target);
  if (!present) console.warn(`${target} is absent: its tests are left out`);
  return present;
}

/** A folder that is gone when the test ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'fsb-evaluation-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface FakeScorer extends HeadScorer {
  /** The batches that were scored. */
  readonly batches: (readonly EncodedRow[])[];
}

/** A classifier that reads code points as ids and answers as told. */
export function fakeScorer(labels: readonly string[], answer: (text: string) => readonly number[]): FakeScorer {
  const batches: (readonly EncodedRow[])[] = [];
  return {
    labels,
    batches,
    encode({ text, pair = '' }, maxLength) {
      const ids = [...text, ...pair].map((c) => c.codePointAt(0)!).slice(0, maxLength);
      return { ids, typeIds: ids.map((_, i) => (i < [...text].length ? 0 : 1)) };
    },
    async score(batch) {
      batches.push(batch);
      return batch.map((row) => Float32Array.from(answer(String.fromCodePoint(...row.ids))));
    },
  };
}

/** Predicts with a head and gives the logits back in file order. */
export async function predictHead(options: Omit<PredictOptions, 'method' | 'labels'> & HeadMethodOptions) {
  const batches = await predict({ ...options, method: headMethod(options), labels: options.task.labels.length });
  const rows = batches.flatMap((batch) => batch.rows).sort((a, b) => a.index - b.index);
  return { logits: rows.map((row) => row.scores), tokens: rows.reduce((sum, row) => sum + row.tokens, 0) };
}
