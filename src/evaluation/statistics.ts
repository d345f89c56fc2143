/** How far a score can be trusted, and whether two scores differ. */

/** The 97.5 % quantile of the normal distribution: intervals hold 95 %. */
const Z_95 = 1.959963984540054;

/** Lower and upper end, both in 0..1. */
export type Interval = readonly [number, number];

/**
 * Wilson's 95 % interval of a share (Wilson 1927; Brown, Cai & DasGupta 2001, equation 4):
 * (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n). Unlike p ± z·σ it stays in 0..1 and holds near the ends.
 */
export function wilsonInterval(correct: number, total: number, z = Z_95): Interval {
  if (!(total > 0 && correct >= 0 && correct <= total))
    throw new RangeError(`an interval needs 0 ≤ correct ≤ total and total > 0, found ${correct} of ${total}`);
  const share = correct / total;
  const scale = 1 + z ** 2 / total;
  const center = (share + z ** 2 / (2 * total)) / scale;
  const half = (z * Math.sqrt((share * (1 - share)) / total + z ** 2 / (4 * total ** 2))) / scale;
  // At the ends the exact value is 0 or 1, which rounding misses by 1e-17.
  return [correct === 0 ? 0 : Math.max(0, center - half), correct === total ? 1 : Math.min(1, center + half)];
}

/** Resamples of the bootstrap: the ends move by less than 0.1 points between seeds for 1,000 values. */
const RESAMPLES = 2000;

/**
 * The percentile bootstrap's 95 % interval of a mean (Efron & Tibshirani 1993, chapter 13), for scores that are no
 * shares. The draws are seeded: the same values give the same interval.
 */
export function bootstrapInterval(values: readonly number[], resamples = RESAMPLES, seed = 0): Interval {
  if (values.length === 0) throw new RangeError('an interval needs a value');
  const random = randomIntegers(seed);
  const means = new Float64Array(resamples);
  for (let k = 0; k < resamples; k++) {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[random(values.length)]!;
    means[k] = sum / values.length;
  }
  means.sort();
  return [means[Math.floor(0.025 * resamples)]!, means[Math.ceil(0.975 * resamples) - 1]!];
}

/** Whole numbers below a bound (mulberry32: 32 bits of state, uniform enough for resampling). */
function randomIntegers(seed: number): (bound: number) => number {
  let state = seed | 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}

/** True when a value lies in an interval, ends included. */
export function isInside(value: number, [low, high]: Interval): boolean {
  return value >= low && value <= high;
}

/**
 * McNemar's exact test (two-sided binomial): the probability that two equally good models disagree at least as
 * unevenly as this. `onlyFirst` and `onlySecond` count the examples that only one of them has right:
 * p = min(1, 2 · Σ_{k ≤ min} C(n, k) / 2ⁿ), n = onlyFirst + onlySecond. (Dietterich 1998 advises it for classifiers.)
 */
export function mcNemarExact(onlyFirst: number, onlySecond: number): number {
  const n = onlyFirst + onlySecond;
  let logTerm = -n * Math.LN2; // log of C(n, 0) / 2ⁿ; logs, since 2ⁿ overflows from n = 1024
  let tail = Math.exp(logTerm);
  for (let k = 1; k <= Math.min(onlyFirst, onlySecond); k++) {
    logTerm += Math.log(n - k + 1) - Math.log(k);
    tail += Math.exp(logTerm);
  }
  return Math.min(1, 2 * tail);
}
