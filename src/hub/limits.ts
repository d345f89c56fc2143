/** How hard the network is used: retries with growing pauses, connections at a time, bytes a second. */
import { setTimeout as sleep } from 'node:timers/promises';

export interface RetryPolicy {
  /** Failures of one source in a row, without bytes between them, after which it is given up. @default 5 */
  readonly attempts: number;
  /** First pause in ms; doubled with each failure, times 0.5 to 1.5 by chance. @default 500 */
  readonly baseMs: number;
  /** Longest pause of our own. @default 20_000 */
  readonly maxMs: number;
  /** Longest Retry-After that is waited for; a server that wants more is given up. @default 120_000 */
  readonly maxRetryAfterMs: number;
}

export interface StallPolicy {
  /** Without a byte for so long, a connection is given up. @default 30_000 */
  readonly idleMs: number;
  /** A connection older than this may be compared with its siblings. @default 10_000 */
  readonly slowAfterMs: number;
  /** Below this share of their median speed it is given up. @default 0.1 */
  readonly slowShare: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 5, baseMs: 500, maxMs: 20_000, maxRetryAfterMs: 120_000 };
export const DEFAULT_STALL: StallPolicy = { idleMs: 30_000, slowAfterMs: 10_000, slowShare: 0.1 };

/** The pause before trying again after `failures` (1, 2, …) failures in a row, in ms. */
export function backoffMs(failures: number, policy: RetryPolicy, random: () => number = Math.random): number {
  return Math.min(policy.maxMs, policy.baseMs * 2 ** (failures - 1)) * (0.5 + random());
}

/** At most so many at a time, first come first served. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async use<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

/** Bytes a second over all connections; what was saved up lasts for a twentieth of a second. */
export class RateLimit {
  readonly #bytesPerSecond: number;
  /** When the bytes given out so far are paid for, in ms. */
  #paidUntil = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Resolves when so many more bytes may be taken. */
  async take(bytes: number, signal?: AbortSignal): Promise<void> {
    const now = performance.now();
    this.#paidUntil = Math.max(this.#paidUntil, now - 50) + (bytes / this.#bytesPerSecond) * 1000;
    const wait = this.#paidUntil - now;
    if (wait > 1) await sleep(wait, undefined, signal ? { signal } : {});
  }
}
