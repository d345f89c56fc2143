/** The life of something native that calls use: freed after the last call under way, and never used afterwards. */
import { UsageError } from '../util/errors.ts';

export class Lifetime {
  readonly #what: string;
  #running = 0;
  #disposal: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;

  /** `what` names the thing in errors: "the session of model.onnx". */
  constructor(what: string) {
    this.#what = what;
  }

  /** Calls under way. */
  get running(): number {
    return this.#running;
  }

  /** Throws UsageError once disposing has begun. */
  assertAlive(): void {
    if (this.#disposal) throw new UsageError(`${this.#what} has been disposed`, { code: 'disposed' });
  }

  /** Runs `work`, during which the thing stays. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    this.assertAlive();
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
      if (this.#running === 0) this.#whenIdle?.();
    }
  }

  /** Waits for the calls under way, then calls `release`, once. */
  dispose(release: () => void | Promise<void>): Promise<void> {
    this.#disposal ??= this.#idle().then(release);
    return this.#disposal;
  }

  #idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle = resolve;
    });
  }
}
