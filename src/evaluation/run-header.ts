/** What is known of a run before it starts. With the scored rows it determines the report, so shards can be put together. */
import type { Shard } from './predict.ts';
import type { PublishedReference } from './references.ts';

/** Which weights were scored. */
export interface ModelIdentity {
  readonly name: string;
  /** Commit of the checkpoint; null where it has none (a local folder). */
  readonly revision: string | null;
  readonly dtype: string;
}

/** What the files of a run are called, without suffix. */
export function runBase({ task, split, fold }: Pick<RunHeader, 'task' | 'split' | 'fold'>): string {
  return [task, split, ...(fold === null ? [] : [fold])].join('.');
}

export interface RunHeader {
  readonly task: string;
  readonly split: string;
  readonly method: string;
  /** What was asked for: the method, or "auto". */
  readonly methodAsked: string;
  /** The train split of a few-shot fold; null for other methods. */
  readonly fold: string | null;
  /** Prompt, words, label order: what the method needs to be repeated. */
  readonly methodDetails: Readonly<Record<string, unknown>>;
  readonly model: ModelIdentity;
  /** sha256 of the checkpoint's files, by path. */
  readonly modelFiles: Readonly<Record<string, string>>;
  readonly data: {
    readonly file: string;
    readonly md5: string;
    readonly official: boolean | null;
    readonly variant: string | null;
  };
  /** Examples to be scored: all shards together. */
  readonly examples: number;
  /** Examples the split holds; more than `examples` when a limit was set. */
  readonly available: number;
  /** Rows left out for their label. */
  readonly dropped: number;
  /** Seed of the subset that a limit takes; null without one. */
  readonly sampleSeed: number | null;
  /** Values of the labels: the order of scores. */
  readonly labels: readonly string[];
  readonly published: readonly PublishedReference[];
  readonly maxLength: number;
  readonly batchTokens: number;
  /** null for a whole run. */
  readonly shard: Shard | null;
  /** Orders the runs of a folder; reports tell the day alone. */
  readonly startedAt: string;
  readonly environment: Readonly<Record<string, unknown>>;
}
