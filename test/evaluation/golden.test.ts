/** The real data sets and PyTorch's inputs, labels and answers for them, where the larger sets lie beside the repository. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSplit } from '../../src/evaluation/dataset.ts';
import { evaluateHead } from '../../src/evaluation/evaluate.ts';
import type { EncodedRow, HeadScorer } from '../../src/evaluation/head-scorer.ts';
import { CLUE_TASKS, type ClueTaskName } from '../../src/evaluation/tasks/index.ts';
import { loadRegistry } from '../../src/registry/registry.ts';
import { openTokenizer } from '../../src/tokenizers/open.ts';
import { hasShared, SHARED } from './fixtures.ts';

// biome-ignore format: a table reads by its columns
const SPLITS: readonly [task: ClueTaskName, archive: string, split: string, examples: number, dropped: number, labelled: boolean][] = [
  ['afqmc', 'afqmc_public', 'train', 34334, 0, true],
  ['afqmc', 'afqmc_public', 'dev', 4316, 0, true],
  ['afqmc', 'afqmc_public', 'test', 3861, 0, false],
  ['tnews', 'tnews_public', 'train', 53360, 0, true],
  ['tnews', 'tnews_public', 'dev', 10000, 0, true],
  ['tnews', 'tnews_public', 'test', 10000, 0, false],
  ['tnews', 'tnews_public', 'test1.0', 10000, 0, false],
  ['iflytek', 'iflytek_public', 'dev', 2599, 0, true],
  ['iflytek', 'iflytek_public', 'test', 2600, 0, false],
  ['iflytek', 'iflytek_train_subset', 'iflytek-train-subset-derived.json', 5622, 0, true],
  ['ocnli', 'ocnli_public', 'train.10k', 9985, 15, true],
  ['ocnli', 'ocnli_public', 'train.3k', 2994, 6, true],
  ['ocnli', 'ocnli_public', 'dev', 2950, 50, true],
  ['ocnli', 'ocnli_public', 'test', 3000, 0, false],
  ['cmnli', 'cmnli_public', 'dev', 12241, 0, true],
  ['wsc', 'cluewsc2020_public', 'train', 1244, 0, true],
  ['wsc', 'cluewsc2020_public', 'dev', 304, 0, true],
  ['wsc', 'cluewsc2020_public', 'test1.0', 290, 0, false],
  ['csl', 'csl_public', 'dev', 3000, 0, true],
  ['csl', 'csl_public', 'test', 3000, 0, false],
];

const load = (task: ClueTaskName, archive: string, split = 'dev') =>
  loadSplit({ task: CLUE_TASKS[task], source: path.join(SHARED, 'data', 'clue', `${archive}.zip`), split });

describe.runIf(hasShared('data', 'clue'))('the real data sets', () => {
  for (const [task, archive, split, examples, dropped, labelled] of SPLITS)
    it(`${task} ${split} has ${examples} examples and ${dropped} dropped rows`, async () => {
      const data = await load(task, archive, split);
      expect([data.examples.length, data.dropped, data.labelled]).toEqual([examples, dropped, labelled]);
    });

  it('have the majority label that each task states', async () => {
    for (const [task, archive] of SPLITS.filter(([, , split]) => split === 'dev')) {
      const { examples } = await load(task, archive);
      const { label, count, examples: total } = CLUE_TASKS[task].devMajority!;
      expect([examples.filter((e) => e.label === label).length, examples.length], task).toEqual([count, total]);
      for (const other of CLUE_TASKS[task].labels)
        expect(examples.filter((e) => e.label === other.value).length).toBeLessThanOrEqual(count);
    }
  });

  it('are the official files, but for the dev set of cmnli', async () => {
    const registry = await loadRegistry({ overlayFile: null });
    for (const [name, archive] of SPLITS.filter(([, , split]) => split === 'dev')) {
      const task = CLUE_TASKS[name];
      const source = path.join(SHARED, 'data', 'clue', `${archive}.zip`);
      const data = await loadSplit({ task, source, knownFiles: registry.datasets[task.dataset]!.files });
      expect(data.official, name).toBe(name !== 'cmnli');
      expect(data.variant, name).toEqual(name === 'cmnli' ? expect.stringContaining('without the rows') : undefined);
    }
  });
});

interface Golden {
  readonly rows: number;
  readonly correct: number;
  readonly accuracy: number;
  readonly tokens: number;
  readonly max_length: number;
  readonly labels: readonly string[];
  readonly predicted: readonly number[];
  readonly near_ties: readonly { row: number }[];
  readonly first_rows: readonly { row: number; input_ids: number[]; token_type_ids: number[]; logits: number[] }[];
}

const ARCHIVES = {
  afqmc: 'afqmc_public',
  tnews: 'tnews_public',
  wsc: 'cluewsc2020_public',
  csl: 'csl_public',
} as const;

describe.runIf(hasShared('golden', 'eval') && hasShared('data', 'clue'))('the evaluation goldens', () => {
  for (const [name, archive] of Object.entries(ARCHIVES) as [keyof typeof ARCHIVES, string][]) {
    const folder = path.join(SHARED, 'golden', 'eval', `${name}-1`);
    const task = CLUE_TASKS[name];
    const readGolden = async () => JSON.parse(await readFile(path.join(folder, 'golden.json'), 'utf8')) as Golden;

    it(`${name}: the inputs of all rows have PyTorch's ids, its answers PyTorch's score`, async () => {
      const golden = await readGolden();
      const data = await load(name, archive);
      const scorer = await replay(golden, folder);
      expect(task.labels.map((label) => label.value)).toEqual(golden.labels);
      expect(task.maxLength).toBe(golden.max_length);
      const model = { name: 'golden', revision: null, dtype: 'fp16' };
      const run = await evaluateHead({ task, data, scorer, model, environment: {} });
      for (const { row, input_ids, token_type_ids } of golden.first_rows)
        expect(scorer.encoded[row], `row ${row}`).toEqual({ ids: input_ids, typeIds: token_type_ids });
      expect(run).toMatchObject({
        examples: golden.rows,
        correct: golden.correct,
        accuracy: golden.accuracy,
        tokens: golden.tokens,
      });
    });
  }
});

/** Encodes as the model's tokenizer does and gives each row PyTorch's answer: what is tested is everything around the graph. */
async function replay(golden: Golden, folder: string) {
  const tokenizer = await openTokenizer(folder);
  const encoded: EncodedRow[] = [];
  const rowOf = new Map<EncodedRow, number>();
  const scorer: HeadScorer & { readonly encoded: readonly EncodedRow[] } = {
    labels: golden.labels,
    encoded,
    encode({ text, pair }, maxLength) {
      const row = tokenizer.encodeIds(text, { pair, maxLength });
      rowOf.set(row, encoded.length);
      encoded.push(row);
      return row;
    },
    score: async (batch) =>
      batch.map((row) => {
        const logits = new Float32Array(golden.labels.length);
        logits[golden.predicted[rowOf.get(row)!]!] = 1;
        return logits;
      }),
  };
  return scorer;
}
