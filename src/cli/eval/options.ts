/** The options of fsb eval as its parts read them. */
import type { MethodName } from '../../evaluation/methods/method.ts';
import type { LmForm } from '../../evaluation/methods/open.ts';
import type { Benchmark } from '../../evaluation/submission-files.ts';
import type { Pooling } from '../../pipelines/embed.ts';
import type { RunningOptions } from '../running.ts';

export interface ReportOptions {
  readonly format: 'table' | 'markdown' | 'csv';
  readonly markdown?: boolean;
  readonly junit?: string;
  readonly report?: string;
  readonly minAccuracy?: number;
}

export interface EvalOptions extends RunningOptions, ReportOptions {
  readonly task?: string;
  readonly model?: string;
  readonly split?: string;
  readonly method: MethodName | 'auto';
  readonly lmForm?: LmForm;
  readonly data?: string;
  readonly limit?: number;
  readonly seed: number;
  readonly batchTokens?: number;
  readonly labelOrder?: string;
  readonly trainSplit?: string;
  readonly trainLimit?: number;
  readonly pooling?: Pooling;
  readonly folds?: readonly number[];
  readonly out?: string;
  readonly resume?: boolean;
  readonly shard?: string;
  readonly submission?: string;
  readonly benchmark?: Benchmark;
}
