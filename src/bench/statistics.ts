/** Order statistics of a few trials. */

/** The middle value, or the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** The smallest value that at least `share` of the values do not exceed; of few values it is the largest. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

/** Trials of one number, with what is said of them. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** (max − min) ÷ median: how far apart the trials lie. */
  readonly spread: number;
  readonly trials: number[];
}

/** Sums up trials, of which there must be one at least. */
export function summarize(trials: readonly number[]): Summary {
  if (trials.length === 0) throw new RangeError('expected one trial at least');
  const [min, max, middle] = [Math.min(...trials), Math.max(...trials), median(trials)];
  return { median: middle, min, max, spread: middle === 0 ? 0 : (max - min) / middle, trials: [...trials] };
}
