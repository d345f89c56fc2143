/** What a probe is trained on, from the options: one train split, or the folds of a few-shot benchmark. */

import type { LoadedSplit } from '../../evaluation/dataset.ts';
import type { MethodName } from '../../evaluation/methods/method.ts';
import type { ProbeTraining } from '../../evaluation/methods/probe.ts';
import { countOverlap, defaultTrainSplit, foldsOf } from '../../evaluation/training-splits.ts';
import { NotFoundError, UsageError } from '../../util/errors.ts';
import type { Context } from '../context.ts';
import type { EvalOptions } from './options.ts';
import { type ChosenTask, loadTask } from './tasks.ts';

/** One way of answering: no training at all, a probe, or the probe of one fold. */
export interface Answering {
  /** The fold's train split. */
  readonly fold?: string;
  readonly training?: Training;
}

type Training = Omit<ProbeTraining, 'files' | 'resume' | 'onProgress' | 'onStep' | 'onTrained' | 'signal'>;

/** Options that mean something to some methods only. */
const OPTIONS_OF: readonly (readonly [flag: string, option: keyof EvalOptions, methods: readonly MethodName[]])[] = [
  ['--train-split', 'trainSplit', ['probe']],
  ['--train-limit', 'trainLimit', ['probe']],
  ['--pooling', 'pooling', ['probe', 'few-shot']],
  ['--folds', 'folds', ['few-shot']],
];

/** Loads what the method is to be trained on; one entry per fold. Throws UsageError for options of another method. */
export async function answeringsOf(
  context: Context,
  chosen: ChosenTask,
  options: EvalOptions,
  method: MethodName,
  scored: LoadedSplit,
): Promise<Answering[]> {
  const { task } = chosen;
  for (const [flag, option, methods] of OPTIONS_OF)
    if (options[option] !== undefined && !methods.includes(method))
      throw new UsageError(`${flag} is for --method ${methods.join(' and ')}; ${task.name} is answered by ${method}`, {
        code: 'option-of-another-method',
      });
  if (method === 'few-shot') return foldAnswerings(context, chosen, options, scored);
  if (method !== 'probe') return [{}];
  const split = options.trainSplit ?? defaultTrainSplit(task);
  if (split === undefined)
    throw new UsageError(`${task.name} has no train split; its splits are ${Object.keys(task.splits).join(', ')}`, {
      code: 'no-train-split',
      hint: 'name the one to train on: --train-split NAME',
    });
  return [{ training: await trainingOn(context, chosen, options, scored, split) }];
}

// --- internal ---

async function foldAnswerings(
  context: Context,
  chosen: ChosenTask,
  options: EvalOptions,
  scored: LoadedSplit,
): Promise<Answering[]> {
  const answerings: Answering[] = [];
  for (const { train, dev } of foldsOf(chosen.task, options.folds))
    try {
      answerings.push({ fold: train, training: await trainingOn(context, chosen, options, scored, train, dev) });
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      throw new NotFoundError(error.message, {
        code: error.code,
        hint: 'few-shot takes every fold of the task; with fewer at hand, name them: --folds 0',
        cause: error,
      });
    }
  return answerings;
}

async function trainingOn(
  context: Context,
  chosen: ChosenTask,
  options: EvalOptions,
  scored: LoadedSplit,
  split: string,
  validationSplit?: string,
): Promise<Training> {
  const { data, seed, pooling, batchTokens, trainLimit } = options;
  const load = async (name: string): Promise<LoadedSplit> => {
    const rows = { ...(data !== undefined && { data }), ...(trainLimit !== undefined && { limit: trainLimit }), seed };
    const loaded = await loadTask(context, chosen, rows, name);
    if (name !== scored.split && loaded.md5 !== scored.md5) return loaded;
    throw new UsageError(`${chosen.task.name}: ${loaded.file} is what is scored, and cannot be trained on`, {
      code: 'train-split-scored',
      hint: 'score another split (--split dev) or train on another (--train-split NAME); --data FILE names one file for both',
    });
  };
  const train = await load(split);
  const validation = validationSplit === undefined ? undefined : await load(validationSplit);
  const overlap = countOverlap(scored.examples, train.examples);
  if (overlap > 0) context.output.warn(context.messages.overlap(chosen.task.name, overlap, scored.split, split));
  return { train, validation, overlap, pooling, seed, batchTokens };
}
