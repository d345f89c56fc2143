import { expect, it } from 'vitest';
import type { EvaluationRun } from '../../src/evaluation/evaluate.ts';
import { summarizeFolds } from '../../src/evaluation/fold-summary.ts';
import { runTable } from '../../src/evaluation/report.ts';

const run = (fold: string | null, accuracy: number, task = 'fewclue-tnews'): EvaluationRun =>
  ({
    ...{ task, split: 'test_public', method: fold === null ? 'cloze' : 'few-shot', fold, accuracy, examples: 2010 },
    model: { name: 'm', revision: null, dtype: 'fp32' },
    ...{ ci95: [0.4, 0.6], majority: 0.0667, published: [] },
  }) as unknown as EvaluationRun;

const runs = [
  run('train_0', 0.5),
  run('train_1', 0.54),
  run('train_2', 0.46),
  run(null, 0.3),
  run('train_0', 0.7, 'x'),
];

it('folds of a task become a mean and a sample deviation; other runs are left alone', () => {
  const [tnews, single, ...rest] = summarizeFolds(runs);
  expect(tnews).toMatchObject({
    folds: ['train_0', 'train_1', 'train_2'],
    accuracies: [0.5, 0.54, 0.46],
    examples: 2010,
  });
  expect(tnews!.mean).toBeCloseTo(0.5, 12);
  expect(tnews!.std).toBeCloseTo(0.04, 12);
  expect(single).toMatchObject({ task: 'x', mean: 0.7, std: null });
  expect(rest).toEqual([]);
});

it('the table has a row per fold, and one for their mean', () => {
  const { rows } = runTable(runs, 'en');
  expect(rows.map((row) => row[3])).toEqual([
    'few-shot train_0',
    'few-shot train_1',
    'few-shot train_2',
    'cloze',
    'few-shot train_0',
    'few-shot, mean of 3', // a single fold is its own mean
  ]);
  expect(rows[5]!.slice(5, 8)).toEqual(['50.00', '± 4.00', '2010']);
  expect(runTable(runs, 'zh').rows[5]![3]).toBe('few-shot，3 折平均');
});
