/** One token out of a row of logits. */
import { argmax, logSumExp } from '../tensor/math.ts';

export type Choose = (logits: Float32Array) => number;

/** The likeliest; the first of equal ones. */
export const chooseGreedily: Choose = argmax;

/** One at random by its probability, by inverting the distribution function in order of index. */
export function chooseRandomly(random: () => number): Choose {
  return (logits) => {
    const total = logSumExp(logits);
    const threshold = random();
    let sum = 0;
    let last = -1;
    for (let i = 0; i < logits.length; i++) {
      if (logits[i] === Number.NEGATIVE_INFINITY) continue;
      sum += Math.exp(logits[i]! - total);
      last = i;
      if (sum > threshold) return i;
    }
    return last; // the sum may stop short of 1 by rounding
  };
}
