/** Which part of a run this process is to do: --shard i/n, or what the cluster says. */
import { UsageError } from '../util/errors.ts';
import type { Shard } from './predict.ts';

/** More parts than this are a typing error: the largest split has 13 880 rows. */
const MAX_SHARDS = 10_000;

/** Index and count of array jobs: Kubernetes counts from 0 and names no count; Slurm's index begins at its minimum. */
const SCHEDULERS = [
  { index: 'JOB_COMPLETION_INDEX', first: () => 0, count: 'JOB_COMPLETIONS' },
  {
    index: 'SLURM_ARRAY_TASK_ID',
    first: (env: Environment) => Number(env.SLURM_ARRAY_TASK_MIN ?? 0),
    count: 'SLURM_ARRAY_TASK_COUNT',
  },
] as const;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads "2/8" (the second of eight), or "auto/8" whose index is the array job's: JOB_COMPLETION_INDEX (Kubernetes,
 * from 0) or SLURM_ARRAY_TASK_ID (from SLURM_ARRAY_TASK_MIN). "auto" alone takes the count from there as well
 * (SLURM_ARRAY_TASK_COUNT; JOB_COMPLETIONS, which one sets oneself). Throws UsageError for anything else.
 */
export function parseShard(text: string, environment: Environment): Shard {
  const match = /^(auto|\d+)(?:\/(\d+))?$/.exec(text.trim());
  if (!match || (match[1] !== 'auto' && match[2] === undefined))
    throw bad(text, 'expected i/n such as 2/8, auto/8, or auto');
  const scheduler = SCHEDULERS.find(({ index }) => environment[index]?.trim());
  if (match[1] === 'auto' && !scheduler)
    throw bad(text, `neither ${SCHEDULERS.map(({ index }) => index).join(' nor ')} is set`);
  const count = Number(match[2] ?? environment[scheduler!.count]);
  const index =
    match[1] === 'auto' ? Number(environment[scheduler!.index]) - scheduler!.first(environment) + 1 : Number(match[1]);
  if (!Number.isInteger(count) || count < 1 || count > MAX_SHARDS)
    throw bad(
      text,
      `expected a number of shards from 1 to ${MAX_SHARDS}${match[2] ? '' : `; ${scheduler!.count} does not say it, write auto/n`}`,
    );
  if (!Number.isInteger(index) || index < 1 || index > count)
    throw bad(text, `shard ${index} is not among 1 to ${count}`);
  return { index, count };
}

const bad = (text: string, why: string): UsageError => new UsageError(`--shard ${text}: ${why}`, { code: 'bad-shard' });
