/**
 * What the runs of a few-shot evaluation say together: the mean over the folds, which is the score that FewCLUE reports
 * (Xu et al. 2021), and how far they scatter.
 */
import type { EvaluationRun } from './evaluate.ts';
import type { PublishedReference } from './references.ts';
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
  /** Examples that each fold was scored on: the same ones. */
  readonly examples: number;
  /** See EvaluationRun. */
  readonly majority: number | null;
  /** Means over the same folds, so that the mean is to be held against them. */
  readonly published: readonly PublishedReference[];
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
    const { task, split, method, model, examples, majority, published } = folds[0]!;
    const accuracies = folds.map(({ accuracy }) => accuracy);
    const mean = accuracies.reduce((sum, value) => sum + value, 0) / accuracies.length;
    const squares = accuracies.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return {
      ...{ task, split, method, model },
      folds: folds.map(({ fold }) => fold!),
      ...{ accuracies, mean },
      std: accuracies.length > 1 ? Math.sqrt(squares / (accuracies.length - 1)) : null,
      ...{ examples, majority },
      published: published.map(({ insideInterval: _, ...score }) => score),
    };
  });
}

/** The summaries that say more than their runs: those of several folds. */
export function meansOfFolds(runs: readonly EvaluationRun[]): FoldSummary[] {
  return summarizeFolds(runs).filter(({ folds }) => folds.length > 1);
}
