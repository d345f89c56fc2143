/** What of a task serves which method; above all the splits that a probe is trained on: a train split, or folds. */
import { UsageError } from '../util/errors.ts';
import type { ClueTask } from './clue-task.ts';
import type { Example } from './dataset.ts';
import { METHODS, type MethodName } from './methods/method.ts';

/** A small train split, and the split its penalty is chosen on. */
export interface Fold {
  readonly train: string;
  /** undefined where the task has none of the same number. */
  readonly dev: string | undefined;
}

const FOLD = /^train_(\d+)$/;

/** The split a probe is trained on when none is named: "train", else all of FewCLUE's folds together. */
export function defaultTrainSplit(task: ClueTask): string | undefined {
  return ['train', 'train_few_all'].find((split) => Object.hasOwn(task.splits, split));
}

/**
 * The folds train_0, train_1, … with dev_0, dev_1, …, or those of the given numbers. Throws UsageError where the task has
 * none, or not those.
 */
export function foldsOf(task: ClueTask, numbers?: readonly number[]): Fold[] {
  const known = Object.keys(task.splits).flatMap((split) => FOLD.exec(split)?.[1] ?? []);
  if (known.length === 0)
    throw new UsageError(`${task.name} has no folds (splits train_0, train_1, …)`, {
      code: 'no-folds',
      hint: '--method probe trains on a whole train split; the FewCLUE tasks have folds: fsb list --tasks',
    });
  const lacking = numbers?.find((number) => !known.includes(String(number)));
  if (lacking !== undefined)
    throw new UsageError(`${task.name} has no fold ${lacking}; its folds are ${known.join(', ')}`, { code: 'no-fold' });
  return (numbers?.map(String) ?? known).map((number) => ({
    train: `train_${number}`,
    dev: Object.hasOwn(task.splits, `dev_${number}`) ? `dev_${number}` : undefined,
  }));
}

/** The methods that a task has what is needed for, whatever the model: prompts, a train split, folds. */
export function methodsFor(task: ClueTask): MethodName[] {
  const needs: Readonly<Record<MethodName, boolean>> = {
    head: true,
    cloze: task.prompts?.cloze !== undefined,
    lm: task.prompts?.lm !== undefined,
    infill: task.prompts?.infill !== undefined,
    unimc: task.prompts?.unimc !== undefined,
    nli: task.prompts?.nli !== undefined,
    probe: defaultTrainSplit(task) !== undefined,
    'few-shot': Object.keys(task.splits).some((split) => FOLD.test(split)),
  };
  return METHODS.filter((method) => needs[method]);
}

/** How many of the scored examples are, word by word, among the training ones. */
export function countOverlap(scored: readonly Example[], trained: readonly Example[]): number {
  const keyOf = ({ text, pair, candidates }: Example): string => JSON.stringify([text, pair, candidates]);
  const known = new Set(trained.map(keyOf));
  return scored.filter((example) => known.has(keyOf(example))).length;
}
