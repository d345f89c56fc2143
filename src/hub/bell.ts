/** Waiting until something changes: one rings, all who wait go on and look. */
import { setTimeout as sleep } from 'node:timers/promises';

export class Bell {
  #waiters: (() => void)[] = [];

  ring(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  /** Until it rings, or so many ms. Throws `signal.reason` when aborted. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const timer = new AbortController();
    const rung = new Promise<void>((resolve) => this.#waiters.push(resolve));
    const time = sleep(ms, undefined, { signal: AbortSignal.any([timer.signal, signal]) }).catch(() => undefined);
    await Promise.race([rung, time]);
    timer.abort();
    signal.throwIfAborted();
  }
}
