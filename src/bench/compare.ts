/** This run beside an earlier one: each number divided by what it was. */
import { METRICS, type MetricName } from './metrics.ts';
import { type BenchDocument, type BenchRow, rowKey } from './result.ts';

export interface Comparison {
  readonly row: string;
  readonly metric: MetricName;
  readonly before: number;
  readonly now: number;
  /** now ÷ before. */
  readonly ratio: number;
}

/** Every metric that both runs have, for every row of the same model, type, device and shape. */
export function compareRuns(now: readonly BenchRow[], before: BenchDocument): Comparison[] {
  const earlier = new Map(before.rows.map((row) => [rowKey(row), row]));
  return now.flatMap((row) => {
    const other = earlier.get(rowKey(row));
    if (!other) return [];
    return (Object.keys(METRICS) as MetricName[]).flatMap((metric) => {
      const [a, b] = [METRICS[metric].of(row), METRICS[metric].of(other)];
      return a === null || b === null || b === 0 ? [] : [{ row: rowKey(row), metric, before: b, now: a, ratio: a / b }];
    });
  });
}

/** Rows of this run that the earlier one lacks. */
export function unmatchedRows(now: readonly BenchRow[], before: BenchDocument): string[] {
  const earlier = new Set(before.rows.map(rowKey));
  return now.map(rowKey).filter((key) => !earlier.has(key));
}
