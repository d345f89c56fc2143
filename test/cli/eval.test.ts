/** fsb eval from outside: a user's own task by every method, trained probes, folds, shards. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { runFsb } from '../helpers/run-fsb.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const home = scratchFolder('cli-eval');
const fsb = (args: readonly string[]) => runFsb(['eval', ...args], { home });
const json = async (args: readonly string[]) => {
  const { code, stdout, stderr } = await fsb([...args, '--json']);
  expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.any(String) });
  return { document: JSON.parse(stdout), stderr };
};

const WORDS = { bug: '坏', wish: '想' };

/** Tickets that say what they are, with splits as FewCLUE's, and a prompt for every method. */
const task = path.join(home, 'mytask.json');
const tickets = (count: number, start: number) =>
  Array.from({ length: count }, (_, i) => {
    const n = start + i;
    const kind = n % 2 ? 'bug' : 'wish';
    return JSON.stringify({ id: `t${n}`, message: `${kind === 'bug' ? '门坏了' : '我想要花'}${n}号`, kind });
  }).join('\n');
writeFileSync(
  task,
  JSON.stringify({
    name: 'tickets',
    data: {
      train: 'train.jsonl',
      dev: 'dev.jsonl',
      test: 'test.jsonl',
      ...{ train_0: 'train_0.jsonl', dev_0: 'dev_0.jsonl', train_1: 'train_1.jsonl', dev_1: 'dev_1.jsonl' },
    },
    fields: { text: 'message', label: 'kind' },
    labels: ['bug', 'wish'],
    prompts: {
      cloze: { pattern: '{mask}。{message}', words: WORDS },
      lm: { prompt: '{message}是', words: WORDS },
      infill: { source: '{message}{mask}', words: WORDS },
      unimc: { question: '是什么？', words: WORDS },
      nli: { hypothesis: '这是{label}', words: WORDS },
    },
  }),
);
for (const [split, count, start] of [
  ['train', 60, 0],
  ['dev', 40, 1000],
  ['train_0', 16, 2000],
  ['dev_0', 16, 3000],
  ['train_1', 16, 4000],
  ['dev_1', 16, 5000],
] as const)
  writeFileSync(path.join(home, `${split}.jsonl`), tickets(count, start));
writeFileSync(path.join(home, 'test.jsonl'), JSON.stringify({ id: 't', message: '门坏了' }));

/** A checkpoint with an entailment head, beside the bundled minis. */
const nliModel = path.join(home, 'nli');
cpSync('test/fixtures/models/megatron-bert-nli-fp32', nliModel, { recursive: true });

describe('a user’s own task', () => {
  it.each([
    ['erlangshen-mini', 'cloze', 'cloze'],
    ['wenzhong-mini', 'lm', 'lm'],
    ['randeng-mini', 'infill', 'infill'],
    ['erlangshen-mini', 'unimc', 'unimc'],
    ['erlangshen-mini', 'probe', 'probe'],
    [nliModel, 'nli', 'nli'],
    [nliModel, 'auto', 'nli'],
    ['wenzhong-mini', 'auto', 'lm'],
  ])('is answered by %s, asked by %s', async (model, method, expected) => {
    const { document, stderr } = await json(['--task', task, '--model', model, '--method', method]);
    expect(document.runs).toHaveLength(1);
    const [run] = document.runs;
    expect(run).toMatchObject({
      ...{ task: 'tickets', split: 'dev', method: expected, methodAsked: method, fold: null, examples: 40 },
      environment: { fsb: expect.any(String), commit: expect.toSatisfy((v) => v === null || /^[0-9a-f]{40}$/.test(v)) },
    });
    if (method === 'auto') expect(stderr).toContain(`the model answers by ${expected}`);
    if (method === 'probe') {
      expect(run.accuracy).toBe(1);
      expect(run.methodDetails).toMatchObject({ trainSplit: 'train', fitted: 60, overlap: 0, pooling: 'mean' });
    }
  });

  it('is trained on each of its folds for few-shot: a run per fold, their mean, and a table', async () => {
    const out = path.join(home, 'folds');
    const args = ['--task', task, '--model', 'erlangshen-mini', '--method', 'few-shot', '--out', out];
    const { document } = await json(args);
    expect(document.runs.map(({ fold }: { fold: string }) => fold)).toEqual(['train_0', 'train_1']);
    expect(document.folds).toMatchObject([
      { task: 'tickets', folds: ['train_0', 'train_1'], mean: expect.any(Number) },
    ]);
    expect(readdirSync(out)).toEqual(
      [
        'eval.json',
        ...['train_0', 'train_1'].flatMap((fold) =>
          ['journal.jsonl', 'predictions.jsonl', 'probe.json'].map((file) => `tickets.dev.${fold}.${file}`),
        ),
      ].sort(),
    );
    const report = path.join(home, 'folds.html');
    const again = await fsb([...args, '--resume', '--quiet', '--report', report]);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringMatching(/few-shot, mean of 2 .*± \d/) });
    expect(readFileSync(report, 'utf8')).toMatch(/2 折平均 ± 标准差.*<b>\d+\.\d\d<\/b><\/td><td class="number">± \d/);
    const { stdout: csv } = await fsb([...args, '--resume', '--quiet', '--format', 'csv']);
    expect(csv.trimEnd().split('\n').at(-1)).toMatch(/^tickets,dev,.*"few-shot, mean of 2",fp32,\d+\.\d\d,± \d/);
    const { stdout } = await fsb([...args, '--resume', '--folds', '1', '--quiet']);
    expect(stdout).toContain('few-shot train_1');
    expect(stdout).not.toContain('train_0');
  });

  it('trains nothing on what is scored, and says which rows are in both', async () => {
    const probe = ['--task', task, '--model', 'erlangshen-mini', '--method', 'probe'];
    const same = await fsb([...probe, '--train-split', 'dev']);
    expect(same).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot be trained on') });
    writeFileSync(path.join(home, 'mixed.jsonl'), `${tickets(30, 0)}\n${tickets(10, 1000)}`);
    const { document, stderr } = await json([...probe, '--train-split', 'mixed.jsonl']);
    expect(document.runs[0].methodDetails.overlap).toBe(10);
    expect(stderr).toContain('10 of the examples of dev are among those of mixed.jsonl');
    const limited = await json([...probe, '--train-limit', '20', '--seed', '3']);
    expect(limited.document.runs[0].methodDetails).toMatchObject({ trainExamples: 20, trainSampleSeed: 3, fitted: 20 });
  });

  it.each([
    [['--method', 'cloze', '--pooling', 'mean'], 2, '--pooling is for --method probe and few-shot'],
    [['--method', 'probe', '--folds', '0'], 2, '--folds is for --method few-shot'],
    [['--method', 'few-shot', '--folds', '7'], 2, 'no fold 7; its folds are 0, 1'],
    [['--method', 'probe', '--train-split', 'test'], 2, 'has no labels to train on'],
    [['--method', 'probe', '--train-split', 'absent'], 3, 'no split "absent"'],
    [['--method', 'nli'], 8, 'it has no classification head that knows entailment'],
    [['--method', 'few-shot', '--submission', 'x.zip'], 2, 'few-shot gives one per fold'],
  ])('refuses %j with %d', async (options, code, message) => {
    const result = await fsb(['--task', task, '--model', 'erlangshen-mini', ...options]);
    expect(result).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(message) });
  });
});

describe('shards', () => {
  it('train the same probe, merge into the single run’s report, and are not run twice by mistake', async () => {
    const probe = ['--task', task, '--model', 'erlangshen-mini', '--method', 'probe', '--batch-tokens', '128'];
    const { document } = await json(probe);
    const out = path.join(home, 'shards');
    mkdirSync(out);
    for (const shard of ['1/2', '2/2']) await json([...probe, '--shard', shard, '--out', out]);
    const again = await fsb([...probe, '--shard', '2/2', '--out', out]);
    expect(again).toMatchObject({ code: 2, stdout: '' });
    expect(again.stderr).toMatch(/holds shard 2\/2, which is finished\n.*fsb eval merge puts the shards together/);
    const merged = await json(['merge', out]);
    const timeless = ({ seconds: _, predictionsFile: __, ...run }: Record<string, unknown>) => run;
    expect(merged.document.runs.map(timeless)).toEqual(document.runs.map(timeless));
    const [whole, parts] = [document, merged.document].map(({ runs }) => readFileSync(runs[0].predictionsFile, 'utf8'));
    expect(parts).toBe(whole);
  });
});
