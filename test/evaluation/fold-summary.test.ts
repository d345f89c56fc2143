import { expect, it } from 'vitest';
import type { EvaluationRun } from '../../src/evaluation/evaluate.ts';
import { summarizeFolds } from '../../src/evaluation/fold-summary.ts';
import { junitReport } from '../../src/evaluation/junit.ts';
import { runTable, tableMarkdown } from '../../src/evaluation/report.ts';

const published = { model: 'people', accuracy: 0.71, source: 'a paper', split: 'dev', insideInterval: false };

const run = (fold: string | null, accuracy: number, task = 'fewclue-tnews'): EvaluationRun =>
  ({
    ...{ task, split: 'test_public', method: fold === null ? 'cloze' : 'few-shot', fold, accuracy, examples: 2010 },
    model: { name: 'm', revision: null, dtype: 'fp32' },
    ...{ ci95: [0.4, 0.6], majority: 0.0667, published: fold === null ? [] : [published] },
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
    ...{ examples: 2010, majority: 0.0667 },
    published: [{ model: 'people', accuracy: 0.71, source: 'a paper', split: 'dev' }],
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
  expect(rows[5]!.slice(5)).toEqual(['50.00', '± 4.00', '2010', '6.67', 'people 71.00']);
  expect(runTable(runs, 'zh').rows[5]![3]).toBe('few-shot，3 折平均');
});

it('Markdown has that row as well', () => {
  expect(
    tableMarkdown(runTable(runs.slice(0, 3), 'en'))
      .split('\n')
      .at(-2),
  ).toBe(
    '| fewclue-tnews | test_public | m | few-shot, mean of 3 | fp32 | 50.00 | ± 4.00 | 2010 | 6.67 | people 71.00 |',
  );
});

it('JUnit judges folds by their mean, not one by one', () => {
  const report = junitReport(runs, 0.48);
  expect(report.match(/<testcase/g)).toHaveLength(5 + 2);
  expect(report).toContain('name="fewclue-tnews test_public (few-shot, mean of 3, fp32)"');
  expect(report).toContain('accuracy 0.5000, standard deviation 0.0400, mean of train_0, train_1, train_2');
  expect(report.match(/<failure message="[^"]*"/g)).toEqual(['<failure message="accuracy 0.3000 is below 0.48"']);
  expect(junitReport(runs, 0.52)).toContain('<failure message="accuracy 0.5000 is below 0.52"');
});
