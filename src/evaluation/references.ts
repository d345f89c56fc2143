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
  /** What makes it another measurement than ours ("among 4 candidate labels"); undefined where nothing does. */
  readonly note?: string | undefined;
}

/** What the published models did that a method's score may be held against. */
const KINDS: Readonly<Record<string, 'fine-tuned' | 'few-shot'>> = {
  head: 'fine-tuned',
  probe: 'fine-tuned',
  'few-shot': 'few-shot',
};

/**
 * The accuracies published for this task, best first: of fine-tuned models (and people) for a head or probe, of few-shot ones for few-shot, of zero-shot models
 * (and people) for the other methods. Scores of another named split are left out; a split that the publisher does not
 * name stays, marked by its absence. Scores whose metric nobody named (model cards) are kept only for the evaluated
 * model itself: one may want to reproduce them, not to be measured by them.
 * @param evaluated registry name of the model that is scored
 */
export function taskReferences(
  registry: Registry,
  task: ClueTask,
  split: string,
  evaluated?: string,
  method = 'head',
): PublishedReference[] {
  const benchmark = task.benchmark ?? 'clue';
  const kind = KINDS[method] ?? 'zero-shot';
  return publishedScores(registry, { task: task.publishedAs ?? task.name, benchmark })
    .filter((score) => score.method === kind || score.method === 'human')
    .filter((score) => score.metric === task.metric || (score.metric === null && score.name === evaluated))
    .filter((score) => score.split === null || score.split === split)
    .map(({ name, value, source, split, note }) => ({
      model: name,
      accuracy: value,
      source,
      split: split ?? undefined,
      ...(note && { note }),
    }))
    .sort((a, b) => b.accuracy - a.accuracy);
}
