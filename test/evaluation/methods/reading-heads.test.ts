/** Question-answering and multiple-choice heads on a tiny converted encoder, over the made-up rows of the reading tasks. */
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenizerFiles } from '../../../src/cli/tokenizer-files.ts';
import { convertCheckpoint } from '../../../src/convert/convert.ts';
import { loadSplit } from '../../../src/evaluation/dataset.ts';
import { evaluate } from '../../../src/evaluation/evaluate.ts';
import { type AnsweringModel, chooseMethod, openForMethod } from '../../../src/evaluation/methods/open.ts';
import { widestWindow, windowsOf } from '../../../src/evaluation/methods/span.ts';
import { READING_TASKS } from '../../../src/evaluation/tasks/index.ts';
import { Encoder } from '../../../src/pipelines/encoder.ts';
import { readManifest } from '../../../src/registry/manifest.ts';
import { writeHeadCheckpoint } from '../../helpers/head-checkpoint.ts';
import { scratchFolder } from '../../helpers/scratch.ts';
import { FIXTURES } from '../fixtures.ts';

const scratch = scratchFolder('reading-heads');
const folders = { choice: path.join(scratch, 'choice'), span: path.join(scratch, 'span') };
const opened: { dispose(): Promise<void> }[] = [];

beforeAll(async () => {
  for (const [kind, head] of [
    ['choice', 'MegatronBertForMultipleChoice'],
    ['span', 'MegatronBertForQuestionAnswering'],
  ] as const) {
    const source = `${folders[kind]}-checkpoint`;
    await writeHeadCheckpoint(source, head);
    const tokenizer = (plan: Parameters<typeof tokenizerFiles>[1]) => tokenizerFiles(source, plan);
    await convertCheckpoint(source, folders[kind], {
      dtype: 'fp32',
      name: kind,
      tokenizer,
      check: async () => undefined,
    });
  }
});
afterAll(() => Promise.all(opened.map((model) => model.dispose())));

async function run(name: keyof typeof READING_TASKS, kind: keyof typeof folders, batchTokens?: number) {
  const model = await openForMethod(folders[kind], { method: 'auto', task: READING_TASKS[name] });
  opened.push(model);
  return evaluateWith(model, name, batchTokens);
}

async function evaluateWith(model: AnsweringModel, name: keyof typeof READING_TASKS, batchTokens?: number) {
  const task = READING_TASKS[name];
  return evaluate({
    task,
    data: await loadSplit({ task, source: path.join(FIXTURES, name) }),
    method: await model.method(task, {}),
    model: { name: 'tiny', revision: null, dtype: 'fp32' },
    batchTokens,
    environment: {},
  });
}

describe('a question-answering head', () => {
  it('answers with a span of the passage, whatever the batches', async () => {
    expect(chooseMethod(await readManifest(folders.span), READING_TASKS.cmrc2018)).toBe('head');
    const one = await run('cmrc2018', 'span', 40);
    const all = await run('cmrc2018', 'span');
    expect(all).toMatchObject({ examples: 3, labels: [], majority: null, ece: null, method: 'head' });
    expect(all.f1!.f1).toBeGreaterThanOrEqual(all.accuracy);
    expect(all.f1!.average).toBeCloseTo((all.f1!.f1 + all.accuracy) / 2, 12);
    expect(one.worst.map(({ prediction }) => prediction)).toEqual(all.worst.map(({ prediction }) => prediction));
    const { examples } = await loadSplit({ task: READING_TASKS.cmrc2018, source: path.join(FIXTURES, 'cmrc2018') });
    for (const { index, prediction } of all.worst) {
      expect(prediction).not.toBe('');
      expect(examples[index]!.text).toContain(prediction);
    }
  });

  it('is the span with the largest sum of logits over all windows', async () => {
    const encoder = await Encoder.open(folders.span);
    opened.push(encoder);
    const tokenizer = encoder.requireTokenizer();
    const data = await loadSplit({ task: READING_TASKS.cmrc2018, source: path.join(FIXTURES, 'cmrc2018') });
    const { text, pair = '' } = data.examples[2]!;
    const { ids, typeIds } = tokenizer.encodeIds(pair, { pair: text });
    expect(ids.length).toBeLessThanOrEqual(40); // one window
    const outputs = await encoder.run([{ ids, typeIds }], ['start_logits', 'end_logits']);
    const [start, end] = outputs[0]!.map(({ values }) => values) as [Float32Array, Float32Array];
    const first = typeIds.indexOf(1);
    let best = { score: Number.NEGATIVE_INFINITY, from: 0, to: 0 };
    for (let from = first; from < ids.length - 1; from++)
      for (let to = from; to < ids.length - 1; to++) {
        const score = start[from]! + end[to]!;
        if (score > best.score) best = { score, from, to };
      }
    const { offsets } = tokenizer.encode(text, { addSpecialTokens: false });
    const expected = [...text].slice(offsets[best.from - first]![0], offsets[best.to - first]![1]).join('');
    const { worst } = await run('cmrc2018', 'span');
    expect(worst.find(({ index }) => index === 2)?.prediction).toBe(expected);
  });

  it('reads long passages through overlapping windows, each start where it has most context', () => {
    expect(windowsOf(300, 200)).toEqual([
      { first: 0, length: 200 },
      { first: 128, length: 172 },
    ]);
    expect(windowsOf(200, 200)).toEqual([{ first: 0, length: 200 }]);
    expect(windowsOf(0, 200)).toEqual([{ first: 0, length: 0 }]);
    expect(windowsOf(90, 30).map(({ first }) => first)).toEqual([0, 30, 60]);
    const windows = windowsOf(300, 200);
    expect([10, 150, 163, 164, 165, 290].map((token) => widestWindow(windows, token))).toEqual([0, 0, 0, 1, 1, 1]);
  });
});

describe('a multiple-choice head', () => {
  it('gives each candidate a logit; rows may offer fewer than the task has labels', async () => {
    const run1 = await run('c3', 'choice');
    expect(run1).toMatchObject({ examples: 3, method: 'head', labels: ['0', '1', '2', '3'] });
    for (const { prediction, index } of run1.worst) if (index === 1) expect(['0', '1']).toContain(prediction);
    expect(await run('c3', 'choice', 40)).toMatchObject({ correct: run1.correct, confusion: run1.confusion });
  });

  it('gives out the idioms of a line once', async () => {
    const { confusion, examples } = await run('chid', 'choice');
    expect(examples).toBe(4);
    // three gaps share the first line: their answers differ, so no column has more than it and the other line's one
    const columns = confusion[0]!.map((_, j) => confusion.reduce((sum, row) => sum + row[j]!, 0));
    expect(Math.max(...columns)).toBeLessThanOrEqual(2);
  });

  it('is needed: other heads are refused with a hint', async () => {
    const span = await openForMethod(folders.span, { method: 'head', task: READING_TASKS.c3 });
    opened.push(span);
    await expect(span.method(READING_TASKS.c3, {})).rejects.toThrow(/c3 needs a multiple-choice head/);
    const choice = await openForMethod(folders.choice, { method: 'head', task: READING_TASKS.cmrc2018 });
    opened.push(choice);
    await expect(choice.method(READING_TASKS.cmrc2018, {})).rejects.toThrow(/cmrc2018 needs a question-answering head/);
  });
});
