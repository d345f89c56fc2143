/** One token out of a row of logits. */
import { argmax, logSumExp } from '../tensor/math.ts';
import { UsageError, ValidationError } from '../util/errors.ts';

/** Throws UsageError when every token is forbidden. */
export type Choose = (logits: Float32Array) => number;

/** The likeliest; the first of equal ones. */
export const chooseGreedily: Choose = (logits) => {
  const id = argmax(logits);
  if (logits[id] === Number.NEGATIVE_INFINITY) throw nothingLeft();
  return id;
};

/** One at random by its probability, by inverting the distribution function in order of index. */
export function chooseRandomly(random: () => number): Choose {
  return (logits) => {
    const total = logSumExp(logits);
    if (total === Number.NEGATIVE_INFINITY) throw nothingLeft();
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

/** ln Σ exp of what the model says. Throws ValidationError when it is not a number: the weights or the runtime are broken. */
export function logTotal(logits: Float32Array): number {
  const total = logSumExp(logits);
  if (Number.isFinite(total)) return total;
  throw new ValidationError(`the model's logits are not finite: their log-sum-exp is ${total}`, {
    code: 'logits-not-finite',
    hint: 'fsb verify --deep tells whether the weights are whole',
  });
}

/** What to say when processors leave no token. */
export function nothingLeft(): UsageError {
  return new UsageError('no token is left to choose from: the options forbid every one', {
    code: 'no-token-left',
    hint: 'loosen badWordsIds, suppressTokens, noRepeatNgramSize or minNewTokens',
  });
}
