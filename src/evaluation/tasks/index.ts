/** All tasks that `fsb eval` knows, by name. */
import { closestNames } from '../../util/closest.ts';
import { NotFoundError } from '../../util/errors.ts';
import type { ClueTask } from '../clue-task.ts';
import { afqmc } from './afqmc.ts';
import { c3 } from './c3.ts';
import { chid } from './chid.ts';
import { cmnli } from './cmnli.ts';
import { cmrc2018 } from './cmrc2018.ts';
import { csl } from './csl.ts';
import { fewBustm } from './fewclue/bustm.ts';
import { fewChid } from './fewclue/chid.ts';
import { fewCluewsc } from './fewclue/cluewsc.ts';
import { fewCsl } from './fewclue/csl.ts';
import { fewCsldcp } from './fewclue/csldcp.ts';
import { fewEprstmt } from './fewclue/eprstmt.ts';
import { fewIflytek } from './fewclue/iflytek.ts';
import { fewOcnli } from './fewclue/ocnli.ts';
import { fewTnews } from './fewclue/tnews.ts';
import { iflytek } from './iflytek.ts';
import { ocnli } from './ocnli.ts';
import { poet } from './poet.ts';
import { tnews } from './tnews.ts';
import { wsc } from './wsc.ts';

/** The seven tasks that the Fengshenbang tables compare models by, and the bundled one. */
export const CLUE_TASKS = { afqmc, tnews, iflytek, ocnli, cmnli, wsc, csl, poet } satisfies Record<string, ClueTask>;

/** The reading tasks of CLUE 1.1. */
export const READING_TASKS = { cmrc2018, c3, chid } satisfies Record<string, ClueTask>;

/** FewCLUE's nine; ZeroCLUE is the same without training. */
export const FEWCLUE_TASKS = {
  'fewclue-eprstmt': fewEprstmt,
  'fewclue-csldcp': fewCsldcp,
  'fewclue-tnews': fewTnews,
  'fewclue-iflytek': fewIflytek,
  'fewclue-ocnli': fewOcnli,
  'fewclue-bustm': fewBustm,
  'fewclue-chid': fewChid,
  'fewclue-csl': fewCsl,
  'fewclue-cluewsc': fewCluewsc,
} satisfies Record<string, ClueTask>;

export const ALL_TASKS: Readonly<Record<string, ClueTask>> = { ...CLUE_TASKS, ...READING_TASKS, ...FEWCLUE_TASKS };

/** Names that stand for several tasks. */
export const TASK_GROUPS: Readonly<Record<string, readonly string[]>> = {
  clue: Object.keys(CLUE_TASKS).filter((name) => name !== 'poet'),
  'clue1.1': [
    ...Object.keys(CLUE_TASKS).filter((name) => !['poet', 'cmnli'].includes(name)),
    ...Object.keys(READING_TASKS),
  ],
  fewclue: Object.keys(FEWCLUE_TASKS),
  zeroclue: Object.keys(FEWCLUE_TASKS),
};

export type ClueTaskName = keyof typeof CLUE_TASKS;

/** The task of this name, in any case. Throws NotFoundError with the nearest name and the list. */
export function getClueTask(name: string): ClueTask {
  const key = name.trim().toLowerCase();
  const names = Object.keys(ALL_TASKS);
  if (Object.hasOwn(ALL_TASKS, key)) return ALL_TASKS[key]!;
  const near = closestNames(key, names);
  const hint = near.length > 0 ? `did you mean ${near.join(' or ')}?` : `the tasks are ${names.join(', ')}`;
  throw new NotFoundError(`there is no task "${name}"`, { code: 'task-not-found', hint, facts: { name, names } });
}
