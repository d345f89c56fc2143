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
