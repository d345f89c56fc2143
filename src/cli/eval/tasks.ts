/** From --task to tasks, and from a task to the place of its data. */
import path from 'node:path';
import type { ClueTask } from '../../evaluation/clue-task.ts';
import { type LoadedSplit, loadSplit } from '../../evaluation/dataset.ts';
import { getClueTask, TASK_GROUPS } from '../../evaluation/tasks/index.ts';
import { isTaskFile, readUserTask } from '../../evaluation/user-task.ts';
import { getDataset } from '../../registry/registry.ts';
import { UsageError } from '../../util/errors.ts';
import { isDirectory, pathExists } from '../../util/files.ts';
import type { Context } from '../context.ts';
import { ensureDataset } from '../ensure-dataset.ts';
import type { EvalOptions } from './options.ts';

/** A task with what is needed to find its rows. */
export interface ChosenTask {
  readonly task: ClueTask;
  /** Folder of a user's task file; undefined for the tasks that the registry has data of. */
  readonly folder?: string;
}

/** Reads "afqmc,tnews", "clue", "./mine.json"; no task twice. Throws NotFoundError for an unknown name. */
export async function chooseTasks(text: string): Promise<ChosenTask[]> {
  const chosen: ChosenTask[] = [];
  for (const name of text.split(',').map((part) => part.trim())) {
    if (isTaskFile(name)) chosen.push(await readUserTask(name));
    else for (const member of TASK_GROUPS[name.toLowerCase()] ?? [name]) chosen.push({ task: getClueTask(member) });
  }
  const repeated = chosen.find(({ task }, i) => chosen.findIndex((other) => other.task.name === task.name) < i);
  if (repeated) throw new UsageError(`--task names ${repeated.task.name} twice`, { code: 'task-twice' });
  return chosen;
}

/** Loads the split that the options name, from --data, the user's folder, or the registry's data set. */
export async function loadTask(
  context: Context,
  { task, folder }: ChosenTask,
  options: Pick<EvalOptions, 'data' | 'split' | 'limit' | 'seed'>,
  split = options.split,
): Promise<LoadedSplit> {
  const { limit, seed } = options;
  if (folder !== undefined) return loadSplit({ task, source: options.data ?? folder, split, limit, seed });
  const dataset = getDataset(await context.registry(), task.dataset);
  const source = options.data ?? (await ensureDataset(context, task.dataset)).source;
  const names = [
    `${dataset.name}.zip`,
    ...dataset.sources.flatMap((s) => ('url' in s ? [path.basename(new URL(s.url).pathname)] : [])),
  ];
  return loadSplit({ task, source: await ownZip(source, names), split, limit, seed, knownFiles: dataset.files });
}

// --- internal ---

/** A --data folder may hold the zips of several tasks: then the task's own is taken. */
async function ownZip(source: string, names: readonly string[]): Promise<string> {
  if (!(await isDirectory(source))) return source;
  for (const name of names) if (await pathExists(path.join(source, name))) return path.join(source, name);
  return source;
}
