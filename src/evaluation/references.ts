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
 * are left out; a split that the publisher does not name stays, marked by its absence.
 */
export function taskReferences(registry: Registry, task: ClueTask, split: string): PublishedReference[] {
  return publishedScores(registry, { task: task.name, benchmark: 'clue' })
    .filter((score) => score.method === 'fine-tuned' || score.method === 'human')
    .filter((score) => score.metric === null || score.metric === task.metric)
    .filter((score) => score.split === null || score.split === split)
    .map(({ name, value, source, split }) => ({ model: name, accuracy: value, source, split: split ?? undefined }))
    .sort((a, b) => b.accuracy - a.accuracy);
}
