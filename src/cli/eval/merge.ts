/** fsb eval merge DIR: the shards' journals become the report that a single run would have made. */
import path from 'node:path';
import type { ClueTask } from '../../evaluation/clue-task.ts';
import { type EvaluationRun, finishRun } from '../../evaluation/evaluate.ts';
import { mergeFolder } from '../../evaluation/merge.ts';
import { runBase } from '../../evaluation/run-header.ts';
import { ALL_TASKS } from '../../evaluation/tasks/index.ts';
import type { Context } from '../context.ts';
import type { EvalOptions } from './options.ts';
import { reportRuns } from './report.ts';
import { chooseTasks } from './tasks.ts';

/** Writes eval.json and predictions into --out, or the folder itself. With --task, a task file gives labels their names. */
export async function mergeShards(context: Context, folder: string, options: EvalOptions): Promise<void> {
  const own = options.task === undefined ? [] : (await chooseTasks(options.task)).map(({ task }) => task);
  const out = path.resolve(options.out ?? folder);
  const runs: EvaluationRun[] = [];
  const tasks: ClueTask[] = [];
  for (const { header, batches } of await mergeFolder(path.resolve(folder))) {
    const task = own.find(({ name }) => name === header.task) ?? ALL_TASKS[header.task];
    if (task) tasks.push(task);
    runs.push(await finishRun(header, batches, path.join(out, `${runBase(header)}.predictions.jsonl`)));
  }
  await reportRuns(context, runs, options, { out, tasks });
}
