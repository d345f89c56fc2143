/** Log-probabilities of given continuations. */
import { describe, expect, it } from 'vitest';
import { scoreContinuations } from '../../src/generation/score.ts';
import { logSumExp } from '../../src/tensor/math.ts';
import { FakeModel } from './fake-model.ts';

function expected(model: FakeModel, prompt: readonly number[], tokens: readonly number[]): number[] {
  return tokens.map((id, t) => {
    const logits = model.logitsAfter([...prompt, ...tokens.slice(0, t)]);
    return logits[id]! - logSumExp(logits);
  });
}

describe('scoreContinuations', () => {
  it('scores each continuation by itself after one reading of the prompt', async () => {
    const model = new FakeModel();
    const continuations = [[1, 2, 3], [4], [], [1, 2, 3], [11, 0]];
    const scores = await scoreContinuations(model, [5, 6], continuations);
    expect(scores).toEqual(continuations.map((tokens) => expected(model, [5, 6], tokens)));
    expect(model.steps).toBe(1 + 3); // a single token needs no step
    expect(model.openCaches).toBe(0);
  });

  it.each([64, 65, 66, 129, 150])('scores %i tokens, some at a time', async (length) => {
    const model = new FakeModel({ order: 3 });
    const tokens = Array.from({ length }, (_, i) => (i * 7) % 12);
    expect(await scoreContinuations(model, [1], [tokens])).toEqual([expected(model, [1], tokens)]);
    expect(model.steps).toBe(1 + Math.ceil((length - 1) / 64));
  });

  it('takes a text that just fits the context, and refuses a longer one before reading it', async () => {
    const model = new FakeModel({ maxLength: 5 });
    expect(await scoreContinuations(model, [1, 2], [[3, 4, 5, 6]])).toHaveLength(1);
    const steps = model.steps;
    await expect(scoreContinuations(model, [1, 2], [[3], [3, 4, 5, 6, 7]])).rejects.toMatchObject({
      code: 'context-overflow',
    });
    expect(model.steps).toBe(steps);
  });

  it('refuses an empty prompt and ids outside the vocabulary', async () => {
    await expect(scoreContinuations(new FakeModel(), [], [[1]])).rejects.toMatchObject({ code: 'empty-prompt' });
    await expect(scoreContinuations(new FakeModel(), [1], [[12]])).rejects.toMatchObject({ code: 'bad-token-id' });
  });

  it('stops when interrupted', async () => {
    const controller = new AbortController();
    const model = new FakeModel({ onStep: () => controller.abort(new Error('enough')) });
    const tokens = new Array<number>(150).fill(1);
    await expect(scoreContinuations(model, [1], [tokens], controller.signal)).rejects.toThrow('enough');
    expect(model.steps).toBe(2);
    expect(model.openCaches).toBe(0);
  });
});
