/** Trying again after errors of the network. */
import { setTimeout as sleep } from 'node:timers/promises';
import { FsbError } from '../util/errors.ts';
import { backoffMs, DEFAULT_RETRY, type RetryPolicy } from './limits.ts';

/**
 * Tries again after errors of the network, with growing pauses; throws the last one. Only failures in a row count: when
 * `progress` (bytes so far) has grown since the last failure, the next is the first again.
 */
export async function withRetries<T>(
  work: () => Promise<T>,
  retry: RetryPolicy = DEFAULT_RETRY,
  signal?: AbortSignal,
  progress: () => number = () => 0,
): Promise<T> {
  let before = progress();
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (progress() > before) failures = 1;
      before = progress();
      const isPassing = error instanceof FsbError && error.retryable && error.code !== 'offline';
      if (!isPassing || failures >= retry.attempts) throw error;
      const asked = error.facts.retryAfterMs;
      if (typeof asked === 'number' && asked > retry.maxRetryAfterMs) throw error;
      const pause = typeof asked === 'number' ? asked : backoffMs(failures, retry);
      await sleep(pause, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
    }
  }
}
