import { describe, expect, it, vi } from 'vitest';
import type { Example } from '../../src/evaluation/dataset.ts';
import { CLUE_TASKS } from '../../src/evaluation/tasks/index.ts';
import { fakeScorer, predictHead } from './fixtures.ts';

const { afqmc, ocnli } = CLUE_TASKS;
const example = (id: number, text: string, pair?: string): Example => ({
  id,
  text,
  ...(pair !== undefined && { pair }),
  label: undefined,
});
const examples = ['三个字', '一', '这里五个字', '四个字。', '两字'].map((text, i) => example(i, text));
/** Column 0 holds the row's length, so that a row out of place shows. */
const lengthScorer = () => fakeScorer(['0', '1'], (text) => [[...text].length, 0]);

describe('predict, with a head,', () => {
  it('scores in batches of like length and gives the logits back in file order', async () => {
    const scorer = lengthScorer();
    const { logits, tokens } = await predictHead({ task: afqmc, examples, scorer, batchTokens: 8 });
    expect(logits.map((row) => row[0])).toEqual([3, 1, 5, 4, 2]);
    expect(scorer.batches.map((batch) => batch.map((row) => row.ids.length))).toEqual([[5], [4, 3], [2, 1]]);
    expect(tokens).toBe(15);
  });

  it('gives the same answers for any budget', async () => {
    const run = (batchTokens: number) => predictHead({ task: afqmc, examples, scorer: lengthScorer(), batchTokens });
    const whole = await run(4096);
    for (const budget of [5, 6, 9, 25]) expect(await run(budget)).toEqual(whole);
  });

  it("puts the model's columns into the task's order", async () => {
    const scorer = fakeScorer(['CONTRADICTION', 'NEUTRAL', 'ENTAILMENT'], () => [1, 2, 3]);
    const { logits } = await predictHead({ task: ocnli, examples: [example(0, 'a', 'b')], scorer });
    expect(Array.from(logits[0]!)).toEqual([1, 3, 2]); // contradiction, entailment, neutral
  });

  it("truncates to the task's length or to the one that is given", async () => {
    const long = [example(0, '长'.repeat(300))];
    const run = (maxLength?: number) => predictHead({ task: afqmc, examples: long, scorer: lengthScorer(), maxLength });
    expect((await run()).tokens).toBe(128);
    expect((await run(64)).tokens).toBe(64);
  });

  it('tells how far it is, from nothing to all', async () => {
    const onProgress = vi.fn();
    await predictHead({ task: afqmc, examples, scorer: lengthScorer(), batchTokens: 8, onProgress });
    expect(onProgress.mock.calls.map(([{ done, total }]) => `${done}/${total}`)).toEqual(['0/5', '1/5', '3/5', '5/5']);
  });

  it('stops between batches with the reason of the signal', async () => {
    const controller = new AbortController();
    const reason = new Error('stopped by the user');
    const scorer = lengthScorer();
    const onProgress = ({ done }: { done: number }) => done > 0 && controller.abort(reason);
    const options = { task: afqmc, examples, scorer, batchTokens: 8, onProgress, signal: controller.signal };
    await expect(predictHead(options)).rejects.toBe(reason);
    expect(scorer.batches).toHaveLength(1);
  });

  it('refuses logits that are no numbers, naming the example', async () => {
    const scorer = fakeScorer(['0', '1'], (text) => [text === '一' ? Number.NaN : 0, 1]);
    await expect(predictHead({ task: afqmc, examples, scorer })).rejects.toMatchObject({
      code: 'logits-not-finite',
      exitCode: 9,
      message: "example 1: the model's logits are not finite (NaN, 1)",
    });
  });

  it('refuses a classifier of another task before it encodes anything', async () => {
    const scorer = fakeScorer(['Negative', 'Positive'], () => [0, 1]);
    const encode = vi.spyOn(scorer, 'encode');
    await expect(predictHead({ task: afqmc, examples, scorer })).rejects.toMatchObject({ code: 'labels-differ' });
    expect(encode).not.toHaveBeenCalled();
  });

  it('catches a scorer that breaks its contract', async () => {
    const broken = (change: object) =>
      predictHead({ task: afqmc, examples, scorer: Object.assign(lengthScorer(), change) });
    await expect(broken({ score: async () => [] })).rejects.toThrow(/returned 0 rows for a batch of 5/);
    await expect(broken({ score: async (b: []) => b.map(() => new Float32Array(3)) })).rejects.toThrow(
      /3 logits for 2/,
    );
    await expect(broken({ encode: () => ({ ids: [1], typeIds: [] }) })).rejects.toThrow(/1 ids and 0 types/);
  });
});
