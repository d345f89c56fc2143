/** Connections under way: which of them are hopeless, how fast they are, and how many are worth having. */
import { NetworkError } from '../util/errors.ts';
import type { StallPolicy } from './limits.ts';
import type { Span } from './piece-map.ts';

/** A request under way. */
export interface Watch {
  /** Of the source. */
  readonly label: string;
  readonly span: Span;
  readonly control: AbortController;
  readonly startedAt: number;
  /** Since when it waits for the network; undefined while bytes are being handled. */
  waitingSince: number | undefined;
  /** Received. */
  bytes: number;
  /** Of these, what no later connection has to fetch again; of a whole file only finished pieces. */
  keptBytes: number;
  /** What was asked for. */
  rangeBytes: number;
}

export interface WatchdogOptions {
  /** The file, for messages. */
  readonly path: string;
  readonly stall: StallPolicy;
  readonly connections: number;
  /** One more connection may be opened. */
  readonly onAllowed: () => void;
}

const INTERVAL_MS = 100;
/**
 * Connections are added one by one while all together are slower than this (bytes a second) and this process has time
 * for more, and given up while it has none: of one connection the bytes come in order and are hashed as they pass, of
 * several most are read again.
 */
const FAST_ENOUGH = 150e6;
/** Shares of the time in which this thread was busy. */
const [HAS_TIME, HAS_NONE] = [0.5, 0.85];
/** Speeds of so many finished requests are remembered. */
const MAX_SPEEDS = 16;

export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #watches = new Set<Watch>();
  readonly #speeds: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Connections that may be open. */
  #allowed = 1;
  /** Bytes of all requests, and by the last look. */
  #bytes = 0;
  #loop = performance.eventLoopUtilization();
  #lookedAt = { at: performance.now(), bytes: 0 };

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** True for the connections (0, 1, …) that may be open. */
  allows(connection: number): boolean {
    return connection < this.#allowed;
  }

  open(label: string, span: Span): Watch {
    const startedAt = performance.now();
    const control = new AbortController();
    const watch: Watch = {
      ...{ label, span, control, startedAt, waitingSince: startedAt },
      ...{ bytes: 0, keptBytes: 0, rangeBytes: 0 },
    };
    this.#watches.add(watch);
    return watch;
  }

  received(watch: Watch, bytes: number): void {
    watch.bytes += bytes;
    this.#bytes += bytes;
  }

  close(watch: Watch): void {
    this.#watches.delete(watch);
    watch.control.abort(); // a body that was not read to its end would keep its connection
  }

  /** Remembers the speed of a request that went well, and returns it in bytes a second. */
  finished(watch: Watch): number {
    const speed = speedOf(watch, performance.now());
    this.#speeds.push(speed);
    if (this.#speeds.length > MAX_SPEEDS) this.#speeds.shift();
    return speed;
  }

  /** The other requests to the same place. */
  siblingsOf(watch: Watch): Watch[] {
    return [...this.#watches].filter((other) => other !== watch && other.label === watch.label);
  }

  /** The speed of the request for a stretch; undefined when it is too young to tell. */
  speedOf(span: Span, minAgeMs: number): number | undefined {
    const watch = [...this.#watches].find((w) => w.span === span);
    const now = performance.now();
    return watch && now - watch.startedAt >= minAgeMs ? speedOf(watch, now) : undefined;
  }

  #look(): void {
    const now = performance.now();
    const speed = (1000 * (this.#bytes - this.#lookedAt.bytes)) / Math.max(1, now - this.#lookedAt.at);
    this.#lookedAt = { at: now, bytes: this.#bytes };
    const { utilization: busy } = performance.eventLoopUtilization(this.#loop);
    this.#loop = performance.eventLoopUtilization();
    if (busy > HAS_NONE) this.#allowed = Math.max(1, this.#allowed - 1);
    else if (busy < HAS_TIME && speed < FAST_ENOUGH && this.#allowed < this.#options.connections) {
      this.#allowed++;
      this.#options.onAllowed();
    }
    for (const watch of this.#watches) {
      if (watch.waitingSince === undefined || watch.control.signal.aborted) continue;
      const reason = this.#hopeless(watch, now);
      if (reason) watch.control.abort(reason);
    }
  }

  #hopeless(watch: Watch, now: number): NetworkError | undefined {
    const { path, stall } = this.#options;
    if (now - watch.waitingSince! > stall.idleMs)
      return new NetworkError(`${path}: no byte for ${Math.round(stall.idleMs / 1000)} s`, {
        code: 'connection-failed',
        hint: 'the server does not answer in time: try again later, or pull from another source',
      });
    if (now - watch.startedAt <= stall.slowAfterMs) return undefined;
    const siblings = [...this.#watches].filter((w) => w !== watch).map((w) => speedOf(w, now));
    const usual = median([...this.#speeds, ...siblings]);
    if (usual === undefined || speedOf(watch, now) >= stall.slowShare * usual) return undefined;
    return new NetworkError(`${path}: a connection much slower than the others`, { code: 'too-slow' });
  }
}

// --- internal ---

const speedOf = (watch: Watch, now: number): number => (1000 * watch.bytes) / Math.max(1, now - watch.startedAt);

function median(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
