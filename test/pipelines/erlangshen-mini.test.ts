/** The pipelines on the embedded minis give what PyTorch gave (test/fixtures/mini, made with torch 2.13.0). */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classify } from '../../src/pipelines/classify.ts';
import { embed, similarity } from '../../src/pipelines/embed.ts';
import { Encoder } from '../../src/pipelines/encoder.ts';
import { fillMask } from '../../src/pipelines/fill-mask.ts';
import { convertMini } from '../helpers/minis.ts';
import { scratchFolder } from '../helpers/scratch.ts';

interface FillMaskGolden {
  readonly text: string;
  readonly input_ids: number[];
  readonly mask_index: number;
  readonly top5: readonly { id: number; token: string; probability: number }[];
}

const golden = (name: string) =>
  JSON.parse(readFileSync(new URL(`../fixtures/mini/${name}.json`, import.meta.url), 'utf8'));
const fills = golden('erlangshen-mini').fill_mask as FillMaskGolden[];
const scratch = scratchFolder('pipelines');
let mini: Encoder;
let half: Encoder;
let poet: Encoder;

beforeAll(async () => {
  mini = await Encoder.open(await convertMini(scratch, 'erlangshen-mini'));
  half = await Encoder.open(await convertMini(scratch, 'erlangshen-mini', 'fp16'));
  poet = await Encoder.open(await convertMini(scratch, 'erlangshen-mini-poet'));
});
afterAll(() => Promise.all([mini.dispose(), half.dispose(), poet.dispose()]));

describe('blocks', () => {
  it('see nothing of one another: each is read as if it stood alone', async () => {
    const [first, second] = ['床前明月光', '疑是'].map((text) => mini.requireTokenizer().encodeIds(text).ids) as [
      number[],
      number[],
    ];
    const both = {
      ids: [...first, ...second],
      positionIds: [...first.keys(), ...second.keys()],
      blocks: [...first.map(() => 1), ...second.map(() => 2)],
    };
    const longer = { ids: [...first, ...second, ...first] };
    const outputs = await mini.run([both, { ids: first }, { ids: second }, longer], ['last_hidden_state']);
    const [joined, a, b] = outputs.map(([output]) => output!.values) as [Float32Array, Float32Array, Float32Array];
    for (const [i, value] of [...a, ...b].entries()) expect(Math.abs(joined[i]! - value)).toBeLessThan(1e-4);
    const [open] = (await mini.run([{ ...both, blocks: undefined }], ['last_hidden_state']))[0]!;
    expect(Math.abs(open!.values[0]! - a[0]!)).toBeGreaterThan(1e-2);
    await expect(mini.run([{ ids: first, blocks: [1] }], ['last_hidden_state'])).rejects.toThrow(
      `row 0: blocks has 1 numbers, input_ids ${first.length}`,
    );
  });
});

describe('fillMask', () => {
  it.each(fills)('fills $text as PyTorch does', async ({ text, input_ids, mask_index, top5 }) => {
    expect(mini.requireTokenizer().encodeIds(text).ids).toEqual(input_ids);
    const { masks } = await fillMask(mini, text);
    expect(masks).toHaveLength(1);
    expect(masks[0]!.index).toBe(mask_index);
    expect(masks[0]!.candidates.map(({ id }) => id)).toEqual(top5.map(({ id }) => id));
    expect(masks[0]!.candidates.map(({ token }) => token)).toEqual(top5.map(({ token }) => token));
    for (const [i, { probability }] of masks[0]!.candidates.entries())
      expect(probability).toBeCloseTo(top5[i]!.probability, 4);
  });

  it('gives the same from weights stored as float16, which lose nothing of a float16 checkpoint', async () => {
    const text = fills[0]!.text;
    expect(await fillMask(half, text)).toEqual(await fillMask(mini, text));
  });

  it('fills several masks', async () => {
    const { masks } = await fillMask(mini, '床前明[MASK]光，疑是地上[MASK]。', { topK: 1 });
    expect(masks.map(({ candidates }) => candidates[0]!.token)).toEqual(['月', '霜']);
  });

  it('ranks targets by their probability over the whole vocabulary', async () => {
    const { masks } = await fillMask(mini, fills[0]!.text, { targets: ['水', '月'] });
    expect(masks[0]!.candidates.map(({ token }) => token)).toEqual(['月', '水']);
    expect(masks[0]!.candidates[0]!.probability).toBeCloseTo(0.988, 3);
  });

  it('never proposes a padding row of the embedding', async () => {
    const { masks } = await fillMask(mini, fills[0]!.text, { topK: 5000 });
    expect(masks[0]!.candidates).toHaveLength(3336);
    expect(Math.max(...masks[0]!.candidates.map(({ id }) => id))).toBe(3335);
  });

  it('refuses a text without a mask and a target that is no token', async () => {
    await expect(fillMask(mini, '床前明月光')).rejects.toMatchObject({ exitCode: 2, code: 'no-mask' });
    await expect(fillMask(mini, '床前明[MASK]光', { targets: ['月光'] })).rejects.toMatchObject({ code: 'bad-target' });
  });
});

describe('classify', () => {
  const { dev } = golden('erlangshen-mini-poet');
  const rows = readFileSync(new URL('../../models/poet/dev.json', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

  it('gives PyTorch’s logits for the first rows', async () => {
    const results = await classify(
      poet,
      rows.slice(0, dev.first_logits.length).map(({ sentence }) => ({ text: sentence })),
    );
    for (const [i, { labels }] of results.entries())
      for (const { index, logit } of labels) expect(logit).toBeCloseTo(dev.first_logits[i][index], 3);
  });

  it('gives probabilities that sum to one, likeliest first', async () => {
    const [result] = await classify(poet, [{ text: '大江东去' }]);
    expect(result!.labels.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 5);
    expect(result!.label).toBe(result!.labels[0]!.label);
  });

  it('refuses a model without a classifier and says what it can do', async () => {
    await expect(classify(mini, [{ text: '月' }])).rejects.toMatchObject({ exitCode: 8, code: 'no-classifier' });
  });
});

describe('a text that the model cannot read to its end', () => {
  const long = '月'.repeat(600);

  it('is marked, others are not', async () => {
    const [short, cut] = await classify(poet, [{ text: '月' }, { text: long }]);
    expect([short!.truncated, cut!.truncated]).toEqual([undefined, true]);
    expect(await fillMask(mini, `[MASK]${long}`)).toMatchObject({ truncated: true });
    expect(await fillMask(mini, '床前明[MASK]光')).not.toHaveProperty('truncated');
    const indices: number[] = [];
    await embed(mini, ['月', long], { onTruncated: (index) => indices.push(index) });
    expect(indices).toEqual([1]);
    expect(await similarity(mini, '月', long)).toMatchObject({ truncated: true });
  });
});

describe('embed', () => {
  it('does not depend on what a text is batched with', async () => {
    const texts = ['床前明月光', '疑是地上霜。举头望明月，低头思故乡。', '月'];
    const together = await embed(mini, texts);
    for (const [i, text] of texts.entries()) {
      const [alone] = await embed(mini, [text]);
      for (const [k, value] of alone!.entries()) expect(together[i]![k]).toBeCloseTo(value, 5);
    }
  });

  it('pools the first token, the mean, or through the pooler, and normalises', async () => {
    const [cls] = await embed(mini, ['月'], { pooling: 'cls' });
    const [pooled] = await embed(mini, ['月'], { pooling: 'pooler' });
    const [unit] = await embed(mini, ['月'], { normalize: true });
    expect(cls).toHaveLength(128);
    expect(Math.max(...pooled!.map(Math.abs))).toBeLessThanOrEqual(1); // a tanh
    expect(unit!.reduce((sum, x) => sum + x * x, 0)).toBeCloseTo(1, 5);
  });

  it('scores a text as most similar to itself', async () => {
    const self = await similarity(mini, '床前明月光', '床前明月光');
    const other = await similarity(mini, '床前明月光', '黄河入海流');
    expect(self).toEqual({ score: expect.closeTo(1, 5), method: 'cosine' });
    expect(other.score).toBeLessThan(self.score);
  });
});

describe('Encoder', () => {
  it.each([
    [{ ids: [] }, 'input_ids is empty'],
    [{ ids: [3456] }, 'input_ids: expected integers from 0 to 3455, found 3456'],
    [{ ids: [1, 2], typeIds: [0] }, 'token_type_ids has 1 numbers, input_ids 2'],
    [{ ids: [1], typeIds: [2] }, 'token_type_ids: expected integers from 0 to 1, found 2'],
    [{ ids: new Array(600).fill(1) }, 'takes at most'],
  ])('refuses the row %j', async (row, message) => {
    await expect(mini.run([row], ['last_hidden_state'])).rejects.toThrow(message);
  });

  it('takes positions of the caller', async () => {
    const hidden = async (positionIds?: number[]) =>
      (await mini.run([{ ids: [101, 974, 102], positionIds }], ['last_hidden_state']))[0]![0]!;
    expect(await hidden([0, 1, 2])).toEqual(await hidden());
    expect(await hidden([0, 3, 4])).not.toEqual(await hidden());
  });

  it('names its outputs when asked for one it lacks', async () => {
    await expect(mini.run([{ ids: [1] }], ['class_logits'])).rejects.toThrow(
      'it has last_hidden_state, pooler_output, mlm_logits',
    );
  });
});
