import { describe, expect, it } from 'vitest';
import { collectLogits, compareLogits, type FidelityPlan, planFidelity } from '../../src/evaluation/fidelity.ts';
import { openRunnable } from '../../src/pipelines/runnable.ts';
import { convertMini } from '../helpers/minis.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const scratch = scratchFolder('fidelity');
const TEXTS = ['床前明月光，疑是地上霜。', '白日依山尽，黄河入海流。'];

/** One place for each row of logits. */
const places = (...targets: (number | undefined)[]): FidelityPlan => ({
  rows: [],
  output: 'logits',
  places: targets.map((target) => ({ row: 0, position: 0, target })),
});

describe('compareLogits', () => {
  it('finds nothing between equal predictions, whatever is added to all logits', () => {
    const same = compareLogits(places(undefined), [Float32Array.of(1, 2, 3)], [Float32Array.of(11, 12, 13)]);
    expect(same.kl).toBeCloseTo(0, 6);
    expect(same).toMatchObject({ top1: 1, perplexity: null });
  });

  it('gives the divergence in nats, the share of equal choices and the perplexity of the text', () => {
    const p = Float32Array.of(Math.log(0.75), Math.log(0.25));
    const q = Float32Array.of(Math.log(0.25), Math.log(0.75));
    const { kl, top1, perplexity } = compareLogits(places(0, 1), [p, p], [q, p]);
    expect(kl).toBeCloseTo((0.75 * Math.log(3) - 0.25 * Math.log(3)) / 2, 6);
    expect(top1).toBe(0.5);
    expect(perplexity).toBeCloseTo(4, 5); // 1/4 both times
  });
});

describe('fidelity of a model', () => {
  it.each([
    ['wenzhong-mini', 'logits'],
    ['erlangshen-mini', 'mlm_logits'],
    ['zhouwenwang-mini', 'lm_logits'],
    ['erlangshen-mini-poet', 'class_logits'],
    ['randeng-mini', 'logits'],
  ])('%s is looked at where it predicts', async (name, output) => {
    const model = await openRunnable(await convertMini(scratch, name));
    const plan = planFidelity(model, TEXTS);
    expect(plan.output).toBe(output);
    const logits = await collectLogits(model, plan);
    await model.dispose();
    expect(logits).toHaveLength(plan.places.length);
    expect(plan.places.length).toBeGreaterThanOrEqual(TEXTS.length);
    const { kl, top1 } = compareLogits(plan, logits, logits);
    expect({ kl: kl < 1e-6, top1 }).toEqual({ kl: true, top1: 1 });
  });
});
