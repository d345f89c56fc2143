/** Choosing a token: greedy, and at random by inverse distribution function. */
import { describe, expect, it } from 'vitest';
import { chooseGreedily, chooseRandomly, logTotal } from '../../src/generation/choose.ts';
import { createRandom } from '../../src/generation/random.ts';

const NEVER = Number.NEGATIVE_INFINITY;

describe('choosing', () => {
  it('takes the first of the likeliest', () => {
    expect(chooseGreedily(Float32Array.of(1, 3, 3, 2))).toBe(1);
  });

  it('inverts the distribution function in order of id', () => {
    const logits = Float32Array.of(Math.log(0.2), NEVER, Math.log(0.5), Math.log(0.3));
    const choices = [0, 0.19, 0.21, 0.69, 0.71, 0.9999999].map((u) => chooseRandomly(() => u)(logits));
    expect(choices).toEqual([0, 0, 2, 2, 3, 3]);
  });

  it('draws each token as often as its probability says', () => {
    const choose = chooseRandomly(createRandom(11));
    const probabilities = [0.1, 0.4, 0.25, 0.25];
    const logits = Float32Array.from(probabilities, Math.log);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 40_000; i++) counts[choose(logits)]!++;
    for (const [id, p] of probabilities.entries()) expect(Math.abs(counts[id]! / 40_000 - p)).toBeLessThan(0.01);
  });

  it('refuses when no token is left', () => {
    const logits = Float32Array.of(NEVER, NEVER);
    for (const choose of [chooseGreedily, chooseRandomly(() => 0.5)])
      expect(() => choose(logits)).toThrow('no token is left to choose from');
  });

  it('refuses logits that are not numbers', () => {
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => logTotal(Float32Array.of(0, wrong))).toThrow('not finite');
  });
});
