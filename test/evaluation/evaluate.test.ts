import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSplit } from '../../src/evaluation/dataset.ts';
import { type EvaluateHeadOptions, evaluateHead } from '../../src/evaluation/evaluate.ts';
import { CLUE_TASKS, type ClueTaskName } from '../../src/evaluation/tasks/index.ts';
import { FIXTURES, fakeScorer, temporaryFolder } from './fixtures.ts';

const model = { name: 'fake', revision: null, dtype: 'fp32' };

async function evaluate(name: ClueTaskName, scorer: EvaluateHeadOptions['scorer'], more: object = {}) {
  const task = CLUE_TASKS[name];
  const data = await loadSplit({ task, source: path.join(FIXTURES, name) });
  return evaluateHead({ task, data, scorer, model, environment: { device: 'cpu' }, ...more });
}

describe('evaluateHead', () => {
  /** Says entailment to 没有, contradiction to 锁, nothing much else. Columns as in the published NLI classifiers. */
  const nli = fakeScorer(['CONTRADICTION', 'NEUTRAL', 'ENTAILMENT'], (text) =>
    text.includes('没有') ? [0, 1, 3] : text.includes('锁') ? [2, 2.0005, 0] : [0, 5, 1],
  );

  it('scores a split from rows to report', async () => {
    const predictionsFile = path.join(await temporaryFolder(), 'ocnli-dev.jsonl');
    const published = [
      { model: 'strong', accuracy: 0.79, source: 'a paper', split: 'dev' },
      { model: 'perfect', accuracy: 1, source: 'a dream', split: undefined },
    ];
    const run = await evaluate('ocnli', nli, { predictionsFile, published });
    expect(run).toMatchObject({
      task: 'ocnli',
      split: 'dev',
      method: 'head',
      model,
      data: { official: null, variant: null },
      examples: 3,
      available: 3,
      dropped: 1,
      correct: 2,
      accuracy: 2 / 3,
      ci95: [expect.closeTo(0.2077, 4), expect.closeTo(0.9385, 4)],
      majority: 1 / 3,
      random: 1 / 3,
      labels: ['contradiction', 'entailment', 'neutral'],
      confusion: [
        [0, 0, 1],
        [0, 1, 0],
        [0, 0, 1],
      ],
      nearTies: [{ index: 2, id: 3, labels: ['neutral', 'contradiction'] }],
      maxLength: 128,
      batchTokens: 1024,
      environment: { device: 'cpu' },
      predictionsFile,
    });
    expect(run.published.map((score) => score.insideInterval)).toEqual([true, false]);
    expect(run.perLabel[2]).toEqual({
      label: 'neutral',
      support: 1,
      predicted: 2,
      precision: 0.5,
      recall: 1,
      f1: 2 / 3,
    });
    expect(run.seconds).toBeGreaterThanOrEqual(0);
    expect(run.date).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(JSON.parse(JSON.stringify(run))).toMatchObject({ accuracy: run.accuracy, nearTies: run.nearTies });

    const lines = (await readFile(predictionsFile, 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { id: 0, label: 'entailment', prediction: 'entailment', scores: [0, 3, 1] },
      { id: 2, label: 'neutral', prediction: 'neutral', scores: [0, 1, 5] },
      { id: 3, label: 'contradiction', prediction: 'neutral', scores: [2, 0, 2.0005] },
    ]);
  });

  it('runs every task with a classifier that knows the answers', async () => {
    for (const [name, task] of Object.entries(CLUE_TASKS)) {
      const { examples } = await loadSplit({ task, source: path.join(FIXTURES, name) });
      const answers = new Map(examples.map((e) => [e.text + (e.pair ?? ''), e.label]));
      const values = task.labels.map((label) => label.value);
      const scorer = fakeScorer(values, (text) => values.map((value) => (answers.get(text) === value ? 1 : 0)));
      const run = await evaluate(name as ClueTaskName, scorer);
      expect(run, name).toMatchObject({ accuracy: 1, examples: examples.length, predictionsFile: null });
      expect(run.ci95[1]).toBe(1);
    }
  });

  it('refuses to score an unlabelled split', async () => {
    const data = await loadSplit({ task: CLUE_TASKS.afqmc, source: path.join(FIXTURES, 'afqmc'), split: 'test' });
    await expect(
      evaluate(
        'afqmc',
        fakeScorer(['0', '1'], () => [0, 1]),
        { data },
      ),
    ).rejects.toMatchObject({
      code: 'unlabelled-split',
      exitCode: 2,
    });
  });

  it('leaves no predictions file when it fails half-way', async () => {
    const folder = await temporaryFolder();
    const predictionsFile = path.join(folder, 'x.jsonl');
    const scorer = fakeScorer(['0', '1'], (text) => (text.includes('账单') ? [Number.NaN, 0] : [0, 1]));
    await expect(evaluate('afqmc', scorer, { predictionsFile, batchTokens: 16 })).rejects.toMatchObject({
      code: 'logits-not-finite',
    });
    expect(await readdir(folder)).toEqual([]);
  });
});
