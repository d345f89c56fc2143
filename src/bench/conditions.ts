/**
 * --fail-if: conditions such as `decode<0.9` or `loadMs>500`, several with commas. A bare name (decode, prefill, examples, load,
 * rss) is this run divided by the one of --compare; a name with its unit is the number itself.
 */
import { UsageError } from '../util/errors.ts';
import type { Comparison } from './compare.ts';
import { ABSOLUTE_METRICS, type AbsoluteMetricName, METRICS, type MetricName } from './metrics.ts';
import { type BenchRow, rowKey } from './result.ts';

const OPERATORS = {
  '<': (a: number, b: number) => a < b,
  '<=': (a: number, b: number) => a <= b,
  '>': (a: number, b: number) => a > b,
  '>=': (a: number, b: number) => a >= b,
} as const;

export interface Condition {
  /** As it was written. */
  readonly text: string;
  readonly metric: MetricName | AbsoluteMetricName;
  /** True where an earlier run is needed. */
  readonly isRatio: boolean;
  readonly operator: keyof typeof OPERATORS;
  readonly limit: number;
}

/** A condition that holds, and where. */
export interface Failure {
  readonly condition: string;
  readonly row: string;
  readonly value: number;
}

/** Parses the value of --fail-if. Throws UsageError naming the part that is wrong. */
export function parseConditions(expression: string): Condition[] {
  return expression.split(',').map((part) => parseCondition(part.trim()));
}

/**
 * The conditions that hold for some row. Throws UsageError when one asks for what no row has: a condition that cannot
 * fail guards nothing.
 */
export function findFailures(
  conditions: readonly Condition[],
  rows: readonly BenchRow[],
  comparisons: readonly Comparison[] | undefined,
): Failure[] {
  return conditions.flatMap((condition) => {
    const values = valuesOf(condition, rows, comparisons);
    if (values.length === 0)
      throw new UsageError(`--fail-if ${condition.text}: no row has ${condition.metric}`, {
        code: 'nothing-to-compare',
        hint: condition.isRatio
          ? 'the earlier run needs rows of the same model, type, device, batch and sequence'
          : 'encoders have examplesPerSecond, decoders prefillTokensPerSecond and decodeTokensPerSecond; shares exist on the CPU',
      });
    const holds = OPERATORS[condition.operator];
    return values
      .filter(({ value }) => holds(value, condition.limit))
      .map(({ row, value }) => ({ condition: condition.text, row, value }));
  });
}

// --- internal ---

function parseCondition(text: string): Condition {
  const match = /^([A-Za-z]+)\s*(<=|>=|<|>)\s*([-+.\deE]+)$/.exec(text);
  const limit = Number(match?.[3]);
  if (!match || !Number.isFinite(limit))
    throw new UsageError(`--fail-if "${text}": expected NAME<NUMBER or NAME>NUMBER, such as decode<0.9`, {
      code: 'bad-condition',
    });
  const [, metric = '', operator] = match;
  const isRatio = Object.hasOwn(METRICS, metric);
  if (!isRatio && !Object.hasOwn(ABSOLUTE_METRICS, metric))
    throw new UsageError(
      `--fail-if ${text}: unknown name "${metric}"; against --compare: ${Object.keys(METRICS).join(', ')}; by themselves: ${Object.keys(ABSOLUTE_METRICS).join(', ')}`,
      { code: 'unknown-metric' },
    );
  return { text, metric: metric as Condition['metric'], isRatio, operator: operator as Condition['operator'], limit };
}

function valuesOf(
  { metric, isRatio }: Condition,
  rows: readonly BenchRow[],
  comparisons: readonly Comparison[] | undefined,
): { row: string; value: number }[] {
  if (isRatio)
    return (comparisons ?? [])
      .filter((comparison) => comparison.metric === metric)
      .map(({ row, ratio }) => ({ row, value: ratio }));
  return rows.flatMap((row) => {
    const value = ABSOLUTE_METRICS[metric as AbsoluteMetricName](row);
    return value === null ? [] : [{ row: rowKey(row), value }];
  });
}
