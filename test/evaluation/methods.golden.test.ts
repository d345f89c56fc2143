/** Answers and scores of real models against PyTorch, row by row, where the larger sets lie beside the repository. */
import { existsSync } from 'node:fs';
import { cp, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { tokenizerFiles } from '../../src/cli/tokenizer-files.ts';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { loadSplit } from '../../src/evaluation/dataset.ts';
import { openForMethod } from '../../src/evaluation/methods/open.ts';
import { predict } from '../../src/evaluation/predict.ts';
import { getClueTask } from '../../src/evaluation/tasks/index.ts';
import { argmax } from '../../src/tensor/math.ts';
import { scratchFolder } from '../helpers/scratch.ts';
import { hasShared, SHARED } from './fixtures.ts';

interface Golden {
  readonly method: 'pet' | 'left-to-right' | 'unimc';
  readonly task: string;
  readonly rows: number;
  readonly correct: number;
  readonly verbalizers: Readonly<Record<string, string>> | string;
  readonly continuations: Readonly<Record<string, string>>;
  readonly predicted: readonly string[];
  readonly scores: readonly (readonly number[])[];
  readonly near_ties: readonly number[];
}

const GOLDEN = path.join(SHARED, 'golden', 'eval');
const DATA = path.join(SHARED, 'data');

interface Source {
  readonly task: string;
  readonly file: string;
  /** The golden's labels in the order of its scores, where JSON.parse loses it: integer keys come out sorted. */
  readonly order?: readonly string[];
}

/** Where each golden's rows come from, and which method and task of ours ask the same. */
const SOURCES: Readonly<Record<string, Source>> = {
  'pet eprstmt': { task: 'fewclue-eprstmt', file: 'fewclue/fewclue.zip' },
  'pet tnews': { task: 'fewclue-tnews', file: 'fewclue/fewclue.zip' },
  'pet csl': { task: 'fewclue-csl', file: 'fewclue/fewclue.zip', order: ['1', '0'] },
  'pet bustm': { task: 'fewclue-bustm', file: 'fewclue/fewclue.zip', order: ['1', '0'] },
  'pet chid': { task: 'fewclue-chid', file: 'fewclue/fewclue.zip' },
  'unimc afqmc': { task: 'afqmc', file: 'clue/afqmc_public.zip', order: ['0', '1'] },
  'left-to-right tnews': { task: 'tnews', file: 'clue/tnews_public.zip' },
  'left-to-right ocnli': { task: 'ocnli', file: 'clue/ocnli_public.zip' },
};

const scratch = scratchFolder('methods-golden');

/** Converts a golden's checkpoint; the GPT-2 one takes the published vocabulary from the data beside it. */
async function modelFolder(name: string): Promise<string> {
  const source = path.join(scratch, `${name}-checkpoint`);
  const target = path.join(scratch, name);
  if (existsSync(target)) return target;
  await cp(path.join(GOLDEN, name), source, { recursive: true });
  if (name.includes('gpt2'))
    for (const file of ['vocab.json', 'merges.txt'])
      await cp(path.join(DATA, 'vocab', `gpt2.${file}`), path.join(source, file));
  await convertCheckpoint(source, target, {
    dtype: 'fp32',
    name,
    tokenizer: (plan) => tokenizerFiles(source, plan),
    check: async () => undefined,
  });
  return target;
}

interface HeadGolden {
  readonly rows: number;
  readonly correct: number;
  readonly labels: readonly string[];
  /** Indices into `labels`, in file order. */
  readonly predicted: readonly number[];
  readonly near_ties: readonly { readonly row: number }[];
  readonly first_rows: readonly { readonly row: number; readonly logits: readonly number[] }[];
}

describe.runIf(hasShared('golden', 'eval', 'afqmc-1') && hasShared('data', 'clue'))('fine-tuned heads', () => {
  it.each([
    ['afqmc', 'afqmc_public.zip'],
    ['tnews', 'tnews_public.zip'],
    ['wsc', 'cluewsc2020_public.zip'],
    ['csl', 'csl_public.zip'],
  ] as const)('%s: the answer to every row is PyTorch’s', { timeout: 600_000 }, async (name, archive) => {
    const golden = JSON.parse(await readFile(path.join(GOLDEN, `${name}-1`, 'golden.json'), 'utf8')) as HeadGolden;
    const task = getClueTask(name);
    const model = await openForMethod(await modelFolder(`${name}-1`), { method: 'head', task }, { device: 'cpu' });
    try {
      const { examples } = await loadSplit({ task, source: path.join(DATA, 'clue', archive) });
      const batches = await predict({ method: await model.method(task, {}), labels: task.labels.length, examples });
      const rows = batches.flatMap((batch) => batch.rows).sort((a, b) => a.index - b.index);
      expect(rows).toHaveLength(golden.rows);
      const labels = task.labels.map(({ value }) => value);
      const ties = new Set(golden.near_ties.map(({ row }) => row));
      const differing = rows.filter(
        ({ index, scores }) => !ties.has(index) && labels[argmax(scores)] !== golden.labels[golden.predicted[index]!],
      );
      expect(differing.map(({ index }) => index)).toEqual([]);
      for (const { row, logits } of golden.first_rows)
        for (const [k, label] of golden.labels.entries())
          expect(rows[row]!.scores[labels.indexOf(label)], `row ${row}`).toBeCloseTo(logits[k]!, 3);
    } finally {
      await model.dispose();
    }
  });
});

describe.runIf(hasShared('golden', 'eval', 'zero-shot-mlm-1') && hasShared('data', 'fewclue'))('zero-shot', () => {
  it.each([
    ['zero-shot-mlm-1', 'cloze', 'pet'],
    ['zero-shot-mlm-1', 'unimc', 'unimc'],
    ['zero-shot-gpt2-1', 'lm', 'left-to-right'],
  ] as const)('%s by %s: every score and prediction is PyTorch’s', { timeout: 300_000 }, async (name, method, kind) => {
    const { results } = JSON.parse(await readFile(path.join(GOLDEN, name, 'golden.json'), 'utf8')) as {
      results: Golden[];
    };
    const model = await openForMethod(
      await modelFolder(name),
      { method, task: getClueTask('tnews') },
      { device: 'cpu' },
    );
    try {
      for (const golden of results.filter((result) => result.method === kind)) {
        const source = SOURCES[`${golden.method} ${golden.task}`]!;
        const task = getClueTask(source.task);
        const data = await loadSplit({ task, source: path.join(DATA, source.file) });
        const examples = data.examples.slice(0, golden.rows);
        const batches = await predict({ method: await model.method(task, {}), labels: task.labels.length, examples });
        const rows = batches.flatMap((batch) => batch.rows).sort((a, b) => a.index - b.index);
        const words = golden.continuations ?? golden.verbalizers;
        const labels = task.labels.map(({ value }) => value);
        const order = source.order ?? (typeof words === 'string' ? labels : Object.keys(words));
        const columns = labels.map((label) => goldenColumn(order, label));
        let largest = 0;
        for (const [i, { scores }] of rows.entries()) {
          const expected = columns.map((column) => golden.scores[i]![column]!);
          for (const [k, score] of scores.entries()) largest = Math.max(largest, Math.abs(score - expected[k]!));
          if (!golden.near_ties.includes(i))
            expect(labels[argmax(scores)], `${golden.task} row ${i}`).toBe(golden.predicted[i]);
        }
        expect(largest, golden.task).toBeLessThan(2e-4);
        expect(rows).toHaveLength(golden.rows);
      }
    } finally {
      await model.dispose();
    }
  });
});

function goldenColumn(order: readonly string[], label: string): number {
  const column = order.indexOf(label);
  if (column < 0) throw new Error(`the golden has no score for ${label}`);
  return column;
}
