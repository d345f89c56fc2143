/** Published scores that a run may be held against, from registry.json. */
import { publishedScores, type Registry } from '../registry/registry.ts';
import type { ClueTask } from './clue-task.ts';

/** A score somebody published for the task. */
export interface PublishedReference {
  readonly model: string;
  /** Fraction of right answers, 0..1. */
  readonly accuracy: number;
  readonly source: string;
  /** undefined where the publisher does not name it. */
  readonly split: string | undefined;
}

/**
 * The accuracies of fine-tuned models (and people) on this task of CLUE, best first. Scores of another named split
 * are left out; a split that the publisher does not name stays, marked by its absence. Scores whose metric nobody
 * named (model cards) are kept only for the evaluated model itself: one may want to reproduce them, not to be measured by them.
 * @param evaluated registry name of the model that is scored
 */
export function taskReferences(
  registry: Registry,
  task: ClueTask,
  split: string,
  evaluated?: string,
): PublishedReference[] {
  return publishedScores(registry, { task: task.name, benchmark: 'clue' })
    .filter((score) => score.method === 'fine-tuned' || score.method === 'human')
    .filter((score) => score.metric === task.metric || (score.metric === null && score.name === evaluated))
    .filter((score) => score.split === null || score.split === split)
    .map(({ name, value, source, split }) => ({ model: name, accuracy: value, source, split: split ?? undefined }))
    .sort((a, b) => b.accuracy - a.accuracy);
}
