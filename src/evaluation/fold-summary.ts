/** What the runs of a few-shot evaluation say together: the mean over the folds, and how far they scatter. */
import type { EvaluationRun } from './evaluate.ts';
import type { ModelIdentity } from './run-header.ts';

export interface FoldSummary {
  readonly task: string;
  readonly split: string;
  readonly method: string;
  readonly model: ModelIdentity;
  readonly folds: readonly string[];
  /** In the order of the folds. */
  readonly accuracies: readonly number[];
  readonly mean: number;
  /** Sample standard deviation (n − 1); null for a single fold. */
  readonly std: number | null;
  /** Examples that each fold was scored on. */
  readonly examples: number;
}

/** One summary for each task and split that was run by folds, in the order of the runs. */
export function summarizeFolds(runs: readonly EvaluationRun[]): FoldSummary[] {
  const groups = new Map<string, EvaluationRun[]>();
  for (const run of runs) {
    if (run.fold === null) continue;
    const key = JSON.stringify([run.task, run.split, run.method, run.model]);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].map((folds) => {
    const { task, split, method, model, examples } = folds[0]!;
    const accuracies = folds.map(({ accuracy }) => accuracy);
    const mean = accuracies.reduce((sum, value) => sum + value, 0) / accuracies.length;
    const squares = accuracies.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return {
      ...{ task, split, method, model },
      folds: folds.map(({ fold }) => fold!),
      ...{ accuracies, mean },
      std: accuracies.length > 1 ? Math.sqrt(squares / (accuracies.length - 1)) : null,
      examples,
    };
  });
}
