/** The places that have one file: which is asked next, and what a failure costs it. */
import type { FsbError } from '../util/errors.ts';
import { backoffMs, type RetryPolicy } from './limits.ts';
import type { Source, SourceFile } from './sources/source.ts';
import type { Watch } from './watchdog.ts';

/** A place that has the file, and how the file is called there. */
export interface Supplier {
  readonly source: Source;
  readonly file: SourceFile;
}

export interface SupplierState extends Supplier {
  readonly label: string;
  /** Requests under way. */
  active: number;
  /** In a row, without bytes between them. */
  failures: number;
  lastFailureAt: number;
  coolUntil: number;
  /** Bytes a second of a connection, as last seen. */
  speed: number | undefined;
  /** The server sends whole files only. */
  isWholeOnly: boolean;
  /** How often the file changed while it was fetched. */
  changes: number;
  dropped: FsbError | undefined;
}

export interface SuppliersOptions {
  /** The first is the one whose word on the file's being counts. */
  readonly suppliers: readonly Supplier[];
  /** Further places, asked for at most once; what comes of it may be nothing. */
  readonly mirrors?: (() => readonly Promise<Supplier | undefined>[]) | undefined;
  readonly retry: RetryPolicy;
  readonly onDropped?: ((source: string, reason: FsbError) => void) | undefined;
  /** A mirror has answered. */
  readonly onChange: () => void;
}

/** So much progress makes a connection's failure the first one again: bytes, or for small ranges a share of them. */
const PROGRESS_BYTES = 4 << 10;
const PROGRESS_SHARE = 0.25;
/** Until somebody else's change, in ms. */
const LATER = 1000;

export class Suppliers {
  readonly #options: SuppliersOptions;
  readonly #states: SupplierState[] = [];
  #hasAsked = false;
  /** Mirrors that have not answered yet. */
  #pending = 0;
  /** While the bytes of one place alone are tried. */
  #only: SupplierState | undefined;

  constructor(options: SuppliersOptions) {
    this.#options = options;
    for (const supplier of options.suppliers) this.#add(supplier);
  }

  /** Places that may still be asked. */
  get left(): readonly SupplierState[] {
    return this.#states.filter((state) => !state.dropped);
  }

  askMirrors(): void {
    if (this.#hasAsked) return;
    this.#hasAsked = true;
    for (const mirror of this.#options.mirrors?.() ?? []) {
      this.#pending++;
      mirror.then((supplier) => {
        this.#pending--;
        if (supplier) this.#add(supplier);
        this.#options.onChange();
      });
    }
  }

  /** From now on only this one is asked. */
  restrictTo(state: SupplierState): void {
    this.#only = state;
  }

  /** The place for the next request, or for how many ms there is none. Throws when none is left. */
  choose(): SupplierState | number {
    const usable = this.left.filter((s) => this.#only === undefined || s === this.#only);
    if (usable.length === 0) {
      if (this.#pending > 0) return LATER;
      throw this.#states[0]!.dropped!; // every supplier was dropped, the first among them
    }
    const ranged = usable.filter((s) => !s.isWholeOnly);
    const now = performance.now();
    const ready = (ranged.length ? ranged : usable.filter((s) => s.active === 0)).filter((s) => s.coolUntil <= now);
    const best = Math.max(...ready.map((s) => s.speed ?? 0), 1);
    const load = (s: SupplierState): number => (s.active + 1) / (s.speed ?? best);
    const [chosen] = ready.sort((a, b) => load(a) - load(b));
    if (chosen) return chosen;
    const next = Math.min(...usable.map((s) => (s.coolUntil > now ? s.coolUntil - now : Number.POSITIVE_INFINITY)));
    return Number.isFinite(next) ? next : LATER;
  }

  /** A request went wrong. Throws when that ends the transfer. */
  failed(state: SupplierState, error: FsbError, watch: Watch): void {
    const { retry } = this.#options;
    const now = performance.now();
    if (error.code === 'too-slow') {
      state.coolUntil = now + retry.baseMs; // a bad connection, not a bad place
      return;
    }
    if (!isWorthAnotherTry(error)) {
      this.#drop(state, error);
      return;
    }
    if (watch.keptBytes > 0 && watch.keptBytes >= Math.min(PROGRESS_BYTES, PROGRESS_SHARE * watch.rangeBytes))
      state.failures = 0;
    // connections that were open together when one broke count once
    if (watch.startedAt > state.lastFailureAt) {
      state.failures++;
      state.lastFailureAt = now;
    }
    this.askMirrors();
    const asked = error.facts.retryAfterMs;
    if (state.failures >= retry.attempts || (typeof asked === 'number' && asked > retry.maxRetryAfterMs))
      this.#drop(state, error);
    const pause = typeof asked === 'number' ? asked : backoffMs(Math.max(1, state.failures), retry);
    state.coolUntil = Math.max(state.coolUntil, now + pause);
  }

  #add({ source, file }: Supplier): void {
    this.#states.push({
      source,
      file,
      label: source.label,
      active: 0,
      failures: 0,
      lastFailureAt: Number.NEGATIVE_INFINITY,
      coolUntil: 0,
      speed: undefined,
      isWholeOnly: false,
      changes: 0,
      dropped: undefined,
    });
  }

  /** Throws when it is the first supplier's word, or the last supplier. */
  #drop(state: SupplierState, error: FsbError): void {
    if (state.dropped) return;
    state.dropped = error;
    this.askMirrors();
    const isLast = this.#pending === 0 && this.#states.every((s) => s.dropped);
    if (isLast || state === this.#only || (state === this.#states[0] && !error.retryable)) throw error;
    this.#options.onDropped?.(state.label, error);
  }
}

// --- internal ---

/** A link that a hub signed anew for each request may have run out on its way: it is asked for again. */
function isWorthAnotherTry(error: FsbError): boolean {
  return (
    (error.retryable && error.code !== 'offline') || (error.facts.status === 403 && error.facts.redirected === true)
  );
}
