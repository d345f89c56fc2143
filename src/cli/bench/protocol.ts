/** What `fsb bench` and the processes in which it measures say to each other, once in each direction. */
import type { Limits } from '../../bench/result.ts';
import type { Trial } from '../../bench/trial.ts';

export type Job =
  | { readonly kind: 'limits'; readonly threads: number | undefined }
  | {
      readonly kind: 'model';
      readonly folder: string;
      readonly device: string;
      readonly threads: number | undefined;
      readonly batches: readonly number[] | undefined;
      readonly sequences: readonly number[] | undefined;
      readonly newTokens: number;
    };

export interface ModelAnswer extends Trial {
  readonly peakRssBytes: number;
}

/** An error with what the command line needs to report it as its own. */
export interface ReportedError {
  readonly message: string;
  readonly code: string;
  readonly exitCode: number;
  readonly hint: string | undefined;
}

export type Answer =
  | { readonly kind: 'limits'; readonly limits: Limits }
  | { readonly kind: 'model'; readonly trial: ModelAnswer; readonly warnings: readonly string[] }
  | { readonly kind: 'error'; readonly error: ReportedError };
