/** All tasks that `fsb eval` knows, by name. */
import { closestNames } from '../../util/closest.ts';
import { NotFoundError } from '../../util/errors.ts';
import type { ClueTask } from '../clue-task.ts';
import { afqmc } from './afqmc.ts';
import { cmnli } from './cmnli.ts';
import { csl } from './csl.ts';
import { iflytek } from './iflytek.ts';
import { ocnli } from './ocnli.ts';
import { poet } from './poet.ts';
import { tnews } from './tnews.ts';
import { wsc } from './wsc.ts';

export const CLUE_TASKS = { afqmc, tnews, iflytek, ocnli, cmnli, wsc, csl, poet } satisfies Record<string, ClueTask>;

export type ClueTaskName = keyof typeof CLUE_TASKS;

/** The task of this name, in any case. Throws NotFoundError with the nearest name and the list. */
export function getClueTask(name: string): ClueTask {
  const key = name.trim().toLowerCase();
  const names = Object.keys(CLUE_TASKS);
  if (Object.hasOwn(CLUE_TASKS, key)) return CLUE_TASKS[key as ClueTaskName];
  const near = closestNames(key, names);
  const hint = near.length > 0 ? `did you mean ${near.join(' or ')}?` : `the tasks are ${names.join(', ')}`;
  throw new NotFoundError(`there is no task "${name}"`, { code: 'task-not-found', hint, facts: { name, names } });
}
