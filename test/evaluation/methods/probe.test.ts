/** A probe on the embedded mini: trained once, taken again, the same whatever the batches. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Example, LoadedSplit } from '../../../src/evaluation/dataset.ts';
import { type ProbeTraining, probeMethod } from '../../../src/evaluation/methods/probe.ts';
import { predict } from '../../../src/evaluation/predict.ts';
import { CLUE_TASKS, FEWCLUE_TASKS } from '../../../src/evaluation/tasks/index.ts';
import { Encoder } from '../../../src/pipelines/encoder.ts';
import { argmax } from '../../../src/tensor/math.ts';
import { convertMini } from '../../helpers/minis.ts';
import { scratchFolder } from '../../helpers/scratch.ts';
import { temporaryFolder } from '../fixtures.ts';

const scratch = scratchFolder('probe');
let model: Encoder;
beforeAll(async () => {
  model = await Encoder.open(await convertMini(scratch, 'erlangshen-mini'));
});
afterAll(() => model.dispose());

const task = CLUE_TASKS.afqmc;
const LINES = [
  '床前明月光',
  '疑是地上霜',
  '举头望明月',
  '低头思故乡',
  '春眠不觉晓',
  '处处闻啼鸟',
  '夜来风雨声',
  '花落知多少',
];

/** Pairs of one line twice (label 1) or of two lines (label 0). */
const pairs = (split: string, count: number, offset = 0): LoadedSplit => {
  const examples = Array.from({ length: count }, (_, i): Example => {
    const k = i + offset;
    const [text, other] = [LINES[k % 8]!, LINES[(k * 3 + 1) % 8]!];
    return { id: k, text: `${text}${k}`, pair: k % 2 ? `${text}${k}` : other, label: String(k % 2) };
  });
  return {
    ...{ split, file: split, md5: split, official: undefined, variant: undefined },
    ...{ examples, dropped: 0, available: count, labelled: true },
  };
};

const training = (more: Partial<ProbeTraining> = {}): ProbeTraining => ({
  ...{ train: pairs('train', 60), overlap: 0, seed: 0, ...more },
});

async function answers(more: Partial<ProbeTraining> = {}, batchTokens?: number) {
  const method = await probeMethod(model, task, training(more));
  const { examples } = pairs('dev', 40, 1000);
  const batches = await predict({ method, labels: 2, examples, batchTokens });
  const rows = batches.flatMap((batch) => batch.rows).sort((a, b) => a.index - b.index);
  return { method, rows, correct: rows.filter(({ scores, label }) => String(argmax(scores)) === label).length };
}

describe('a probe', () => {
  it('tells pairs of equal lines from others, and reports how it was trained', async () => {
    const { method, correct } = await answers();
    expect(correct).toBeGreaterThan(35);
    expect(method).toMatchObject({
      name: 'probe',
      details: {
        trainSplit: 'train',
        trainExamples: 60,
        heldOut: '12 examples of train, by seed 0',
        fitted: 60,
        pooling: 'mean',
        features: 3 * Number(model.manifest.config.hiddenSize),
      },
    });
    const cls = await probeMethod(model, task, training({ pooling: 'cls' }));
    expect(cls.details.features).toBe(model.manifest.config.hiddenSize);
  });

  it('gives the same scores whatever the batches', async () => {
    const [one, other] = [await answers(), await answers({}, 64)];
    for (const [i, { scores }] of one.rows.entries())
      for (const [k, score] of scores.entries()) expect(other.rows[i]!.scores[k]).toBeCloseTo(score, 3);
  });

  it('goes on where it was killed, and then is taken from its file without computing anything', async () => {
    const files = path.join(await temporaryFolder(), 'afqmc.dev');
    const whole = await answers();
    const controller = new AbortController();
    let seen = 0;
    const onProgress = (done: number) => {
      seen = done;
      if (done > 20) controller.abort(new Error('killed'));
    };
    const small = { files, batchTokens: 128 };
    await expect(answers({ ...small, onProgress, signal: controller.signal })).rejects.toThrow('killed');
    await expect(answers(small)).rejects.toMatchObject({ code: 'run-unfinished' });
    const rest: number[] = [];
    const resumed = await answers({ ...small, resume: true, onProgress: (done) => rest.push(done) });
    expect(rest[0]).toBeGreaterThan(seen);
    expect(rest.at(-1)).toBe(60);
    expect(resumed.method.details.l2).toBe(whole.method.details.l2);
    expect(await readdir(path.dirname(files))).toEqual(['afqmc.dev.probe.json']);

    const again = await answers({
      ...small,
      resume: true,
      onProgress: () => expect.fail('nothing is left to compute'),
    });
    expect(again.rows).toEqual(resumed.rows);
    await expect(answers({ ...small, resume: true, seed: 1 })).rejects.toMatchObject({ code: 'resume-differs' });
    expect(JSON.parse(await readFile(`${files}.probe.json`, 'utf8'))).toMatchObject({ schema: 'fsb.eval-probe/1' });
  });

  it('is trained on a fold and judged on its dev split for few-shot', async () => {
    const validation = pairs('dev_0', 32, 500);
    const method = await probeMethod(model, task, training({ train: pairs('train_0', 32), validation }), 'few-shot');
    expect(method).toMatchObject({
      name: 'few-shot',
      details: { heldOut: 'dev_0', fitted: 32, trainSplit: 'train_0' },
    });
  });

  it('reads the scored examples once for all folds', async () => {
    const known = new WeakMap();
    const { examples } = pairs('dev', 8, 1000);
    const scoresOfFold = async (k: number) => {
      const fold = training({ train: pairs(`train_${k}`, 32 - 12 * k, k), validation: pairs(`dev_${k}`, 16, 100 + k) });
      const prepared = await (await probeMethod(model, task, fold, 'few-shot', known)).prepare(examples);
      return prepared.score(examples.map((_, i) => i));
    };
    const [first, second] = [await scoresOfFold(0), await scoresOfFold(1)];
    expect(second).toHaveLength(8);
    expect(second).not.toEqual(first);
    expect(known.has(examples[0]!)).toBe(true);
  });

  it('puts each candidate into the text where labels are candidates', async () => {
    const chid = FEWCLUE_TASKS['fewclue-chid'];
    const rows = (split: string, count: number): LoadedSplit => ({
      ...pairs(split, count),
      examples: Array.from({ length: count }, (_, i) => ({
        ...chid.parseRow(
          { id: i, candidates: [...'山水风花月人天'], content: `${LINES[i % 8]}#idiom#。`, answer: i % 7 },
          'x',
        ),
        id: i,
      })),
    });
    const method = await probeMethod(model, chid, training({ train: rows('train', 20) }));
    const { lengths, score } = await method.prepare(rows('dev', 3).examples);
    expect(lengths).toEqual([7, 7, 7].map((n) => n * 9));
    expect((await score([0, 1, 2])).map((row) => row.length)).toEqual([7, 7, 7]);
    expect(method.details.features).toBe(model.manifest.config.hiddenSize);
  });

  it('needs labels to train on, and an output to pool', async () => {
    const train = { ...pairs('test', 10), labelled: false };
    await expect(probeMethod(model, task, training({ train }))).rejects.toMatchObject({ code: 'unlabelled-split' });
    const bare = new Proxy(model, {
      get: (target, key) => (key === 'has' ? () => false : Reflect.get(target, key, target)),
    });
    await expect(probeMethod(bare, task, training())).rejects.toMatchObject({ code: 'missing-output', exitCode: 8 });
  });
});
