/** Batches of examples of like length, so that little is computed on padding. */
import { UsageError } from '../util/errors.ts';

/**
 * Groups examples so that in every batch rows × longest row ≤ `tokenBudget`. Longest first: the largest batch comes
 * at the start, where running out of memory costs least.
 * @param lengths tokens of each example
 * @returns indices into `lengths`, each exactly once
 * @throws UsageError when one example alone is longer than the budget.
 */
export function planBatches(lengths: readonly number[], tokenBudget: number): number[][] {
  if (!Number.isInteger(tokenBudget) || tokenBudget < 1)
    throw new UsageError(`tokens per batch: expected a positive whole number, found ${tokenBudget}`, {
      code: 'batch-tokens',
    });
  // Ties keep file order, so that a plan depends on nothing but the lengths.
  const order = lengths.map((_, index) => index).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const longest = lengths[order[0] ?? 0] ?? 0;
  if (longest > tokenBudget)
    throw new UsageError(`tokens per batch: ${tokenBudget} is less than the longest example, which has ${longest}`, {
      code: 'batch-tokens',
      hint: `use at least ${longest} tokens per batch`,
    });
  const batches: number[][] = [];
  for (let start = 0; start < order.length; ) {
    const rows = Math.max(1, Math.floor(tokenBudget / Math.max(1, lengths[order[start]!]!)));
    batches.push(order.slice(start, start + rows));
    start += rows;
  }
  return batches;
}
