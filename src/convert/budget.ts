/** --budget: how much a quantised model may differ from the float one. */
import { UsageError } from '../util/errors.ts';

/**
 * kl: mean Kullback–Leibler divergence from the float32 model's predictions, in nats.
 * accuracy-drop: in how many of a hundred places the likeliest choice is another one, in points. Calibration texts have no labels,
 * and no model can lose more points of accuracy than it has changed answers.
 */
export const BUDGET_MEASURES = ['kl', 'accuracy-drop'] as const;

export interface Budget {
  readonly measure: (typeof BUDGET_MEASURES)[number];
  readonly limit: number;
}

/** Parses kl=0.01 or accuracy-drop=0.5. */
export function parseBudget(value: string): Budget {
  const [, name, number] = /^([a-z-]+)=([\d.eE+-]+)$/.exec(value) ?? [];
  const measure = BUDGET_MEASURES.find((known) => known === name);
  const limit = Number(number);
  if (measure && Number.isFinite(limit) && limit > 0) return { measure, limit };
  throw new UsageError(`--budget ${value}: expected kl=NUMBER (nats) or accuracy-drop=NUMBER (points), above 0`, {
    code: 'bad-budget',
  });
}
