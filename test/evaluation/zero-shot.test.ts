/** Labels of one's own, asked of the embedded minis. */
import { beforeAll, describe, expect, it } from 'vitest';
import { openZeroShot, type ZeroShotOptions } from '../../src/evaluation/zero-shot.ts';
import { Scorer } from '../../src/pipelines/scorer.ts';
import { convertMini } from '../helpers/minis.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const scratch = scratchFolder('zero-shot');
const MINIS = ['erlangshen-mini', 'wenzhong-mini', 'randeng-mini'] as const;
const folders = {} as Record<(typeof MINIS)[number], string>;

beforeAll(async () => {
  for (const name of MINIS) folders[name] = await convertMini(scratch, name);
});

async function ask(name: (typeof MINIS)[number], options: ZeroShotOptions, texts: readonly string[]) {
  const classifier = await openZeroShot(folders[name], options);
  try {
    return { method: classifier.method, results: await classifier.classify(texts) };
  } finally {
    await classifier.dispose();
  }
}

const moon = { labels: ['日', '月', '明月'], template: '床前明{label}光，{text}' };

describe('zero-shot classification', () => {
  it('takes the way that the model can answer by, in the order of the texts', async () => {
    const { method, results } = await ask('erlangshen-mini', moon, ['疑是地上霜。', '疑是地上霜。举头望']);
    expect(method).toBe('cloze');
    for (const { label, labels } of results) {
      expect(label).toBe('月');
      expect(labels.map(({ index }) => index).sort()).toEqual([0, 1, 2]);
      expect(labels.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6);
    }
    expect((await ask('wenzhong-mini', moon, ['疑是地上霜。'])).method).toBe('lm');
    expect((await ask('randeng-mini', moon, ['疑是地上霜。'])).method).toBe('infill');
  });

  it('scores as fsb score does: masks for an MLM, the mean likelihood for a decoder', async () => {
    const labels = ['月', '日'];
    const { results } = await ask('erlangshen-mini', { ...moon, labels }, ['疑是地上霜。']);
    const masked = await Scorer.open(folders['erlangshen-mini']);
    const ranked = await masked.rank('床前明[MASK]光，疑是地上霜。', labels);
    await masked.dispose();
    expect(results[0]!.labels.map(({ logit }) => logit)).toEqual(
      ranked.map(({ logProbability }) => expect.closeTo(logProbability, 3)),
    );
    const options = { labels: ['疑是地上霜', '举头望明月'], template: '{text}，{label}' };
    const { results: right } = await ask('wenzhong-mini', options, ['床前明月光']);
    const decoder = await Scorer.open(folders['wenzhong-mini']);
    const after = await decoder.rank('床前明月光，', options.labels);
    await decoder.dispose();
    expect(right[0]!.labels.map(({ label, logit }) => [label, logit])).toEqual(
      after.map(({ candidate, logProbability, tokens }) => [
        candidate,
        expect.closeTo(logProbability / tokens.length, 3),
      ]),
    );
  });

  it('says when a text does not fit', async () => {
    const { results } = await ask('erlangshen-mini', moon, ['霜', '霜'.repeat(600)]);
    expect(results.map(({ truncated }) => truncated)).toEqual([undefined, true]);
  });

  it('refuses labels and templates that cannot be asked', async () => {
    const refused = (options: ZeroShotOptions) => expect(openZeroShot(folders['erlangshen-mini'], options)).rejects;
    await refused({ labels: ['月'] }).toMatchObject({ code: 'bad-labels', exitCode: 2 });
    await refused({ labels: ['月', '月'] }).toMatchObject({ code: 'bad-labels' });
    await refused({ labels: ['月', ' '] }).toMatchObject({ code: 'bad-labels' });
    await refused({ labels: ['月', '日'], template: '{label}' }).toMatchObject({ code: 'bad-template', exitCode: 2 });
  });
});
