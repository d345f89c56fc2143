/**
 * How many native calls run at once. Each takes a thread of libuv's pool, which has four and also serves files and
 * DNS: without a limit a hundred queued runs would keep a file from being read until the last of them is done.
 */

/** One of libuv's four threads stays free. A run uses all cores by itself, so that more at once gain nothing. */
export const MAX_CALLS = 3;

export class CallSlots {
  #free = MAX_CALLS;
  readonly #waiting: (() => void)[] = [];

  /** Runs `call` when a slot is free. Rejects with `signal.reason` when aborted before that. */
  async use<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    try {
      return await call();
    } finally {
      const next = this.#waiting.shift();
      if (next)
        next(); // the slot passes on
      else this.#free++;
    }
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(start), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.#waiting.push(start);
    });
  }
}
