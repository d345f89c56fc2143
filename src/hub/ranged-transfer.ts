/**
 * One file over several connections and from several places at once: in pieces, each written where it belongs, its
 * CRC-32 journalled, and all of them read back in order for the checksum. What goes wrong with a connection costs a
 * pause and what it had not finished; what goes wrong with a place costs that place.
 */
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { writeError } from '../util/disk.ts';
import { FsbError, IntegrityError, NetworkError } from '../util/errors.ts';
import { type Checksum, compareChecksum, createChecksum, type FoundBytes } from './checksum.ts';
import { Journal } from './journal.ts';
import { backoffMs, type RateLimit, type RetryPolicy, type Slots, type StallPolicy } from './limits.ts';
import { PieceMap, type Span } from './piece-map.ts';
import type { OpenedRange, Source, SourceFile } from './sources/source.ts';

/** A place that has the file, and how the file is called there. */
export interface Supplier {
  readonly source: Source;
  readonly file: SourceFile;
}

export interface RangedTransferOptions {
  /** The first is the one whose word on the file's being counts; all have `openRange`. */
  readonly suppliers: readonly Supplier[];
  /** Further places, asked for when the file is large or a supplier fails; what comes of it may be nothing. */
  readonly mirrors?: (() => readonly Promise<Supplier | undefined>[]) | undefined;
  /** What the bytes must be. */
  readonly expected: SourceFile & { readonly sizeBytes: number };
  /** Where the bytes go, and the journal. */
  readonly dataFile: string;
  readonly journalFile: string;
  readonly connections: number;
  /** Shared by all files of a pull. */
  readonly slots: Slots;
  readonly rate?: RateLimit | undefined;
  readonly retry: RetryPolicy;
  readonly stall: StallPolicy;
  readonly pieceBytes?: number | undefined;
  /** Bytes of the file that are here; never falls. */
  readonly onHeld?: ((bytes: number) => void) | undefined;
  /** Further bytes that came over the network, also those that had to be fetched twice. */
  readonly onReceived?: ((bytes: number) => void) | undefined;
  /** A place is used no longer for this file. */
  readonly onDropped?: ((source: string, reason: FsbError) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RangedTransferResult extends FoundBytes {
  /** Labels of the sources whose bytes are in the file. */
  readonly sources: readonly string[];
}

/** Data is gathered to blocks of so many bytes before it is written. */
const WRITE_BYTES = 1 << 20;
/** So much progress makes a connection's failure the first one again: bytes, or for small ranges a share of them. */
const PROGRESS_BYTES = 4 << 10;
const PROGRESS_SHARE = 0.25;
/** A stretch that is done sooner is left to its connection: taking half of it costs a request and bytes on their way. */
const SHARE_SECONDS = 1;
const WATCH_INTERVAL_MS = 100;
/**
 * Connections are added one by one while all together are slower than this (bytes a second): a fast network needs one,
 * and bytes that come in order are hashed as they pass, without being read again.
 */
const FAST_ENOUGH = 150e6;
/** Files of so many pieces are fetched from all places at once; for less, asking around takes longer. */
const MIN_SHARED_FILE_PIECES = 4;
/** How often a file may change at a place before it is hopeless. */
const MAX_CHANGES = 2;

/**
 * Fetches what is missing of the file and returns its checksum, compared with what is expected; the bytes are on the disk
 * (fsync). Throws NotFoundError and RefusedError of the first supplier at once, NetworkError when no supplier is left,
 * IntegrityError "size-mismatch", "hash-mismatch" or "changed-underneath", ResourceError, `signal.reason` when aborted.
 */
export async function transferRanged(options: RangedTransferOptions): Promise<RangedTransferResult> {
  const { dataFile, journalFile, expected } = options;
  const pieces = new PieceMap(expected.sizeBytes, options.pieceBytes, options.connections);
  await mkdir(path.dirname(dataFile), { recursive: true });
  let handle: FileHandle | undefined;
  let journal: Journal | undefined;
  let hasNothing = false;
  try {
    const opened = await Journal.open(journalFile, expected, pieces);
    journal = opened.journal;
    handle = await openData(dataFile, opened.resumed);
    if (expected.sha256 === undefined && expected.gitSha1 === undefined)
      await forgetUnguarded(options, pieces, journal);
    const result = await new RangedTransfer(options, pieces, handle, journal).run();
    await handle.truncate(expected.sizeBytes);
    await handle.sync();
    return result;
  } catch (error) {
    hasNothing = pieces.doneBytes === 0;
    options.signal?.throwIfAborted();
    throw writeError(error, dataFile);
  } finally {
    await journal?.close();
    await handle?.close();
    if (hasNothing) {
      await rm(dataFile, { force: true });
      await rm(journalFile, { force: true });
    }
  }
}

// --- internal ---

interface SupplierState extends Supplier {
  readonly label: string;
  active: number;
  failures: number;
  lastFailureAt: number;
  coolUntil: number;
  /** Bytes a second of a connection, as last seen. */
  speed: number | undefined;
  isWholeOnly: boolean;
  changes: number;
  dropped: FsbError | undefined;
}

/** A request under way, as the watchdog sees it. */
interface Watch {
  readonly supplier: SupplierState;
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

/** The server knows no ranges: no failure, but another way of asking. */
class NoRangesError extends Error {}

class RangedTransfer {
  readonly #options: RangedTransferOptions;
  readonly #pieces: PieceMap;
  readonly #handle: FileHandle;
  readonly #journal: Journal;
  readonly #suppliers: SupplierState[] = [];
  #askedMirrors = false;
  /** Mirrors that have not answered yet. */
  #pendingMirrors = 0;
  readonly #watches = new Set<Watch>();
  /** Speeds of finished requests, newest last. */
  readonly #speeds: number[] = [];
  /** Of pieces that broke off: bytes from their start which are written, and their CRC-32. */
  readonly #begun = new Map<number, { bytes: number; crc: number }>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  /** Raised when pieces were taken back, so that the checksum starts over. */
  #epoch = 0;
  /** The checksum under way, and up to where it has got: -1 while it has to start over. */
  #hash: Checksum;
  #front = -1;
  /** Connections that may be open, and the bytes received by the last look at their speed. */
  #allowed = 1;
  #receivedBytes = 0;
  #lookedAt = { at: performance.now(), bytes: 0 };
  /** While the bytes of one supplier alone are tried. */
  #only: SupplierState | undefined;
  #rounds = 0;
  /** CRC-32 and source of pieces from before a round. */
  readonly #former = new Map<number, { crc: number; source: string }>();
  #waiters: (() => void)[] = [];
  #isFinished = false;
  #held = 0;
  #inFlight = 0;

  constructor(options: RangedTransferOptions, pieces: PieceMap, handle: FileHandle, journal: Journal) {
    this.#options = options;
    this.#pieces = pieces;
    this.#handle = handle;
    this.#journal = journal;
    this.#signal = options.signal ? AbortSignal.any([options.signal, this.#stop.signal]) : this.#stop.signal;
    this.#hash = createChecksum(options.expected);
    for (const supplier of options.suppliers) this.#addSupplier(supplier);
  }

  async run(): Promise<RangedTransferResult> {
    const connections = Math.max(1, Math.min(this.#options.connections, this.#pieces.count));
    if (this.#pieces.count >= MIN_SHARED_FILE_PIECES) this.#askMirrors();
    const watchdog = setInterval(() => this.#watch(), WATCH_INTERVAL_MS);
    this.#reportHeld();
    let result: RangedTransferResult | undefined;
    const work = [
      this.#checksum().then((found) => {
        result = found;
        this.#isFinished = true;
        this.#wake();
      }),
      ...Array.from({ length: connections }, (_, number) => this.#connect(number)),
    ];
    try {
      await Promise.all(work);
    } catch (error) {
      this.#stop.abort(error);
      this.#wake();
      await Promise.allSettled(work);
      throw error;
    } finally {
      clearInterval(watchdog);
    }
    return result!; // the checksum's promise is among those awaited
  }

  // --- suppliers ---

  #addSupplier({ source, file }: Supplier): void {
    this.#suppliers.push({
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

  #askMirrors(): void {
    if (this.#askedMirrors) return;
    this.#askedMirrors = true;
    for (const mirror of this.#options.mirrors?.() ?? []) {
      this.#pendingMirrors++;
      mirror.then((supplier) => {
        this.#pendingMirrors--;
        if (supplier) this.#addSupplier(supplier);
        this.#wake();
      });
    }
  }

  // --- connections ---

  async #connect(number: number): Promise<void> {
    while (!this.#isFinished) {
      this.#signal.throwIfAborted();
      if (number >= this.#allowed) {
        await this.#pause(1000);
        continue;
      }
      const supplier = this.#choose();
      if (typeof supplier === 'number') await this.#pause(supplier);
      else if (!(await this.#options.slots.use(() => this.#fetch(supplier)))) await this.#pause(1000);
    }
  }

  /** The supplier for the next request, or for how many ms there is none. */
  #choose(): SupplierState | number {
    const usable = this.#suppliers.filter((s) => !s.dropped && (this.#only === undefined || s === this.#only));
    if (usable.length === 0) {
      if (this.#pendingMirrors > 0) return 1000;
      throw this.#suppliers[0]!.dropped!; // every supplier was dropped, the first among them
    }
    const ranged = usable.filter((s) => !s.isWholeOnly);
    const now = performance.now();
    const ready = (ranged.length ? ranged : usable.filter((s) => s.active === 0)).filter((s) => s.coolUntil <= now);
    const best = Math.max(...ready.map((s) => s.speed ?? 0), 1);
    const load = (s: SupplierState): number => (s.active + 1) / (s.speed ?? best);
    const [chosen] = ready.sort((a, b) => load(a) - load(b));
    if (chosen) return chosen;
    const next = Math.min(...usable.map((s) => (s.coolUntil > now ? s.coolUntil - now : Number.POSITIVE_INFINITY)));
    return Number.isFinite(next) ? next : 1000;
  }

  /** One request; false when there is nothing to fetch at the moment. */
  async #fetch(supplier: SupplierState): Promise<boolean> {
    if (this.#isFinished || this.#signal.aborted || supplier.dropped) return true;
    if (supplier.isWholeOnly && supplier.active > 0) return false; // chosen by two at once
    const span = supplier.isWholeOnly
      ? this.#pieces.claimAll()
      : this.#pieces.claim((busy) => this.#secondsLeft(busy) > SHARE_SECONDS);
    if (!span) return false;
    const startedAt = performance.now();
    const control = new AbortController();
    const watch: Watch = {
      ...{ supplier, span, control, startedAt, waitingSince: startedAt },
      ...{ bytes: 0, keptBytes: 0, rangeBytes: 0 },
    };
    this.#watches.add(watch);
    supplier.active++;
    try {
      await this.#receive(supplier, span, watch);
      supplier.failures = 0;
      supplier.speed = (1000 * watch.bytes) / Math.max(1, performance.now() - startedAt);
      this.#speeds.push(supplier.speed);
      if (this.#speeds.length > 16) this.#speeds.shift();
    } catch (error) {
      if (this.#signal.aborted) throw this.#signal.reason;
      this.#failed(supplier, watch.control.signal.aborted ? watch.control.signal.reason : error, watch);
    } finally {
      this.#watches.delete(watch);
      watch.control.abort(); // a body that was not read to its end would keep its connection
      supplier.active--;
      this.#wake();
    }
    return true;
  }

  #secondsLeft(span: Span): number {
    const watch = [...this.#watches].find((w) => w.span === span);
    const now = performance.now();
    if (!watch || now - watch.startedAt < 1000 * SHARE_SECONDS) return 0; // too early to tell
    const bytes = this.#pieces.endOf(span.end - 1) - this.#pieces.startOf(span.at);
    return bytes / Math.max(1, speedOf(watch, now));
  }

  async #receive(supplier: SupplierState, claimed: Span, watch: Watch): Promise<void> {
    let span = claimed;
    const pieces = this.#pieces;
    try {
      const { opened, start, end } = await this.#open(supplier, span, watch);
      if (!opened.isPartial) {
        supplier.isWholeOnly = true;
        if (start > 0) throw new NoRangesError();
        this.#giveUpOthers(watch);
        pieces.release(span);
        span = pieces.claimAll() ?? span;
      }
      await this.#write(supplier, span, opened, opened.isPartial ? end : this.#pieces.sizeBytes, watch);
    } finally {
      pieces.release(span);
    }
  }

  /** The whole file is coming over this connection: what others of its place still ask for is taken on the way. */
  #giveUpOthers(watch: Watch): void {
    for (const other of this.#watches) {
      if (other === watch || other.supplier !== watch.supplier) continue;
      this.#pieces.release(other.span);
      other.control.abort(new NoRangesError());
    }
  }

  async #open(
    supplier: SupplierState,
    span: Span,
    watch: Watch,
  ): Promise<{ opened: OpenedRange; start: number; end: number }> {
    const { expected } = this.#options;
    const begun = supplier.isWholeOnly ? undefined : this.#begun.get(span.first);
    const start = supplier.isWholeOnly ? 0 : this.#pieces.startOf(span.first) + (begun?.bytes ?? 0);
    const end = supplier.isWholeOnly ? expected.sizeBytes : this.#pieces.endOf(span.end - 1);
    watch.rangeBytes = end - start;
    const isGuarded = expected.sha256 === undefined && expected.gitSha1 === undefined;
    const opened = await supplier.source.openRange!(
      supplier.file,
      { start, end },
      {
        // with a hash known, the hash is the guard: hosts of one file often disagree on its ETag
        validator: isGuarded ? this.#journal.validators.get(supplier.label) : undefined,
        signal: AbortSignal.any([this.#signal, watch.control.signal]),
      },
    );
    if (opened.totalBytes !== undefined && opened.totalBytes !== expected.sizeBytes && !isGuarded)
      throw this.#sizeMismatch(supplier, opened.totalBytes);
    if (isGuarded) await this.#guard(supplier, opened);
    return { opened, start, end };
  }

  /** Without a hash, the bytes must at least be of one and the same file. */
  async #guard(supplier: SupplierState, { validator, totalBytes }: OpenedRange): Promise<void> {
    const { expected } = this.#options;
    const former = this.#journal.validators.get(supplier.label);
    const sizeChanged = totalBytes !== undefined && totalBytes !== expected.sizeBytes;
    if (sizeChanged && former === undefined) throw this.#sizeMismatch(supplier, totalBytes);
    if (sizeChanged || (former !== undefined && validator !== undefined && former !== validator)) {
      // first, so that of several connections that find the change only one acts on it
      if (validator !== undefined) await this.#journal.validator(supplier.label, validator);
      this.#begun.clear();
      await this.#takeBack((piece) => this.#pieces.record(piece)?.source === supplier.label);
      if (sizeChanged || ++supplier.changes > MAX_CHANGES)
        throw new IntegrityError(
          `${this.#where(supplier)}: the file changed while it was fetched${sizeChanged ? ` (${expected.sizeBytes} bytes, now ${totalBytes})` : ''}`,
          { code: 'changed-underneath', hint: 'run the same command again when nobody is replacing it' },
        );
      throw new NetworkError(`${this.#where(supplier)}: the file changed while it was fetched; starting it over`, {
        code: 'changed-underneath',
      });
    }
    if (validator !== undefined) await this.#journal.validator(supplier.label, validator);
  }

  /** `responseEnd`: where the answer's bytes end, exclusive. */
  async #write(
    supplier: SupplierState,
    span: Span,
    opened: OpenedRange,
    responseEnd: number,
    watch: Watch,
  ): Promise<void> {
    const { expected, rate, onReceived } = this.#options;
    const pieces = this.#pieces;
    let position = opened.start;
    let piece = Math.floor(position / pieces.pieceBytes);
    let crc = position > pieces.startOf(piece) ? this.#begun.get(piece)!.crc : 0;
    const blocks = new BlockWriter(this.#handle);
    let inFlight = position - pieces.startOf(piece); // of the current piece, for the display
    this.#inFlight += inFlight;
    try {
      for await (const received of opened.chunks) {
        watch.waitingSince = undefined;
        watch.bytes += received.length;
        this.#receivedBytes += received.length;
        onReceived?.(received.length);
        if (rate) await rate.take(received.length, this.#signal);
        if (position + received.length > responseEnd) {
          if (!opened.isPartial) throw this.#sizeMismatch(supplier, position + received.length);
          throw new NetworkError(`${this.#where(supplier)}: more bytes than the range that was asked for`, {
            code: 'wrong-range',
          });
        }
        for (let chunk = received; chunk.length > 0; ) {
          const end = pieces.endOf(piece);
          if (position === pieces.startOf(piece)) pieces.takePassing(piece, span);
          const part = chunk.subarray(0, end - position);
          chunk = chunk.subarray(part.length);
          if (pieces.isOwnedBy(piece, span)) {
            crc = crc32(part, crc);
            this.#hashPassing(part, position);
            await blocks.write(part, position);
            inFlight += part.length;
            this.#inFlight += part.length;
            if (!span.isWhole) watch.keptBytes += part.length;
          }
          position += part.length;
          if (position < end) continue;
          if (pieces.isOwnedBy(piece, span)) {
            await blocks.flush();
            await this.#finish(piece, crc, supplier.label);
            if (span.isWhole) watch.keptBytes += end - pieces.startOf(piece);
          }
          this.#inFlight -= inFlight;
          inFlight = 0;
          crc = 0;
          span.at = ++piece;
          // the rest went to another connection; a body that is all here ends by itself and frees its connection
          if ((piece >= span.end && position < responseEnd) || (span.isWhole && pieces.isComplete)) return;
        }
        this.#reportHeld();
        watch.waitingSince = performance.now();
      }
      if (piece >= span.end) return;
      throw new NetworkError(`${this.#where(supplier)}: ended after ${position} of ${expected.sizeBytes} bytes`, {
        code: 'transfer-truncated',
        hint: 'run the same command again',
      });
    } catch (error) {
      // what came of the piece is kept: the next connection goes on in the middle of it
      await blocks.flush();
      if (piece < pieces.count && pieces.isOwnedBy(piece, span))
        this.#begun.set(piece, { bytes: position - pieces.startOf(piece), crc });
      throw error;
    } finally {
      this.#inFlight -= inFlight;
    }
  }

  async #finish(piece: number, crc: number, source: string): Promise<void> {
    await this.#journal.piece(piece, { crc, source });
    this.#begun.delete(piece);
    this.#pieces.finish(piece, { crc, source });
    this.#wake();
  }

  #failed(supplier: SupplierState, error: unknown, watch: Watch): void {
    if (error instanceof NoRangesError) return;
    if (!(error instanceof FsbError)) throw error;
    const now = performance.now();
    if (error.code === 'too-slow') {
      supplier.coolUntil = now + this.#options.retry.baseMs; // a bad connection, not a bad place
      return;
    }
    if (!isWorthAnotherTry(error)) {
      this.#drop(supplier, error);
      return;
    }
    if (watch.keptBytes > 0 && watch.keptBytes >= Math.min(PROGRESS_BYTES, PROGRESS_SHARE * watch.rangeBytes))
      supplier.failures = 0;
    // connections that were open together when one broke count once
    if (watch.startedAt > supplier.lastFailureAt) {
      supplier.failures++;
      supplier.lastFailureAt = now;
    }
    this.#askMirrors();
    const { retry } = this.#options;
    const asked = error.facts.retryAfterMs;
    if (supplier.failures >= retry.attempts || (typeof asked === 'number' && asked > retry.maxRetryAfterMs))
      this.#drop(supplier, error);
    const pause = typeof asked === 'number' ? asked : backoffMs(Math.max(1, supplier.failures), retry);
    supplier.coolUntil = Math.max(supplier.coolUntil, now + pause);
  }

  /** Throws when it is the first supplier's word, or the last supplier. */
  #drop(supplier: SupplierState, error: FsbError): void {
    if (supplier.dropped) return;
    supplier.dropped = error;
    this.#askMirrors();
    const isLast = this.#pendingMirrors === 0 && this.#suppliers.every((s) => s.dropped);
    if (isLast || supplier === this.#only || (supplier === this.#suppliers[0] && !error.retryable)) throw error;
    this.#options.onDropped?.(supplier.label, error);
  }

  // --- the checksum, in the order of the bytes ---

  async #checksum(): Promise<RangedTransferResult> {
    const buffer = Buffer.allocUnsafe(Math.min(this.#pieces.pieceBytes, this.#options.expected.sizeBytes));
    for (;;) {
      const found = await this.#readInOrder(buffer);
      if (!found) continue; // pieces were taken back meanwhile
      const sources = [...new Set(this.#allPieces().map((piece) => this.#pieces.record(piece)!.source))];
      try {
        compareChecksum(this.#options.expected, found, `${this.#options.expected.path} from ${sources.join(' and ')}`);
      } catch (error) {
        await this.#nextRound(error);
        continue;
      }
      this.#nameLiars();
      return { ...found, sources };
    }
  }

  /** Takes bytes into the checksum as they pass, when they are the next ones. */
  #hashPassing(part: Uint8Array, position: number): void {
    if (position === this.#front) {
      this.#hash.update(part);
      this.#front += part.length;
    } else if (position < this.#front) this.#startOver(); // a piece that was half hashed comes again from its beginning
  }

  #startOver(): void {
    this.#epoch++;
    this.#front = -1;
    this.#wake();
  }

  /** Reads what did not pass in order; undefined when pieces were taken back meanwhile. */
  async #readInOrder(buffer: Buffer): Promise<FoundBytes | undefined> {
    const epoch = this.#epoch;
    const pieces = this.#pieces;
    this.#hash = createChecksum(this.#options.expected);
    this.#front = 0;
    // bytes that pass are hashed before they are written: it is over when all pieces are on the disk too
    while (this.#front < pieces.sizeBytes || !pieces.isComplete) {
      this.#signal.throwIfAborted();
      const front = this.#front;
      const piece = Math.floor(front / pieces.pieceBytes);
      const record = front < pieces.sizeBytes ? pieces.record(piece) : undefined;
      if (!record) await this.#pause(1000);
      else {
        const bytes = buffer.subarray(0, pieces.endOf(piece) - front);
        const isThere = await readAll(this.#handle, bytes, front);
        if (this.#epoch === epoch && isThere && (!record.isResumed || crc32(bytes) === record.crc)) {
          this.#hash.update(bytes);
          this.#front = pieces.endOf(piece);
        } else if (this.#epoch === epoch) {
          pieces.forget(piece); // the disk does not hold what the journal says: fetched again
          await this.#journal.forget(piece);
          this.#wake();
        }
      }
      if (this.#epoch !== epoch) return undefined;
    }
    return this.#hash.digest();
  }

  /**
   * The bytes are wrong. The places are tried one by one, the first first: what others sent is fetched from it and
   * compared. A place that has sent everything gets one more chance, for bits that fell over on the way.
   */
  async #nextRound(error: unknown): Promise<void> {
    const { expected } = this.#options;
    const left = this.#suppliers.filter((s) => !s.dropped);
    const trusted = left[this.#rounds++];
    if (!trusted || !(error instanceof FsbError)) {
      await this.#takeBack(() => true);
      throw error;
    }
    this.#only = trusted;
    const fromOthers = this.#allPieces().filter((piece) => this.#pieces.record(piece)?.source !== trusted.label);
    const suspects = new Set(fromOthers.length > 0 ? fromOthers : this.#allPieces());
    for (const piece of suspects) if (!this.#former.has(piece)) this.#former.set(piece, this.#pieces.record(piece)!);
    if (expected.sizeBytes > 0) await this.#takeBack((piece) => suspects.has(piece));
  }

  #nameLiars(): void {
    const liars = new Set<string>();
    for (const [piece, { crc, source }] of this.#former) {
      const record = this.#pieces.record(piece)!;
      if (record.crc !== crc && record.source !== source) liars.add(source);
    }
    for (const supplier of this.#suppliers)
      if (liars.has(supplier.label) && !supplier.dropped)
        this.#options.onDropped?.(
          supplier.label,
          new IntegrityError(`${this.#where(supplier)}: it serves other bytes than the published ones`, {
            code: 'different-bytes',
          }),
        );
  }

  async #takeBack(isSuspect: (piece: number) => boolean): Promise<void> {
    for (const piece of this.#allPieces())
      if (this.#pieces.record(piece) && isSuspect(piece)) {
        this.#pieces.forget(piece);
        await this.#journal.forget(piece);
      }
    this.#startOver();
  }

  // --- waiting and watching ---

  #watch(): void {
    const now = performance.now();
    const speed = (1000 * (this.#receivedBytes - this.#lookedAt.bytes)) / Math.max(1, now - this.#lookedAt.at);
    this.#lookedAt = { at: now, bytes: this.#receivedBytes };
    if (speed < FAST_ENOUGH && this.#allowed < this.#options.connections) {
      this.#allowed++;
      this.#wake();
    }
    const { idleMs, slowAfterMs, slowShare } = this.#options.stall;
    for (const watch of this.#watches) {
      if (watch.waitingSince === undefined || watch.control.signal.aborted) continue;
      if (now - watch.waitingSince > idleMs)
        watch.control.abort(
          new NetworkError(`${this.#options.expected.path}: no byte for ${Math.round(idleMs / 1000)} s`, {
            code: 'connection-failed',
            hint: 'the server does not answer in time: try again later, or pull from another source',
          }),
        );
      const age = now - watch.startedAt;
      const usual = median([
        ...this.#speeds,
        ...[...this.#watches].filter((w) => w !== watch).map((w) => speedOf(w, now)),
      ]);
      if (age > slowAfterMs && usual !== undefined && speedOf(watch, now) < slowShare * usual)
        watch.control.abort(
          new NetworkError(`${this.#options.expected.path}: a connection much slower than the others`, {
            code: 'too-slow',
          }),
        );
    }
  }

  /** Until something changes, or so many ms. */
  async #pause(ms: number): Promise<void> {
    const timer = new AbortController();
    const changed = new Promise<void>((resolve) => this.#waiters.push(resolve));
    const time = sleep(ms, undefined, { signal: AbortSignal.any([timer.signal, this.#signal]) }).catch(() => undefined);
    await Promise.race([changed, time]);
    timer.abort();
    this.#signal.throwIfAborted();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  #reportHeld(): void {
    const held = this.#pieces.doneBytes + this.#inFlight;
    if (held < this.#held || (held === this.#held && held > 0)) return;
    this.#held = held;
    this.#options.onHeld?.(held);
  }

  // --- small things ---

  #allPieces(): number[] {
    return Array.from({ length: this.#pieces.count }, (_, piece) => piece);
  }

  #where({ label }: SupplierState): string {
    return `${this.#options.expected.path} from ${label}`;
  }

  #sizeMismatch(supplier: SupplierState, found: number): IntegrityError {
    const { sizeBytes, path: name } = this.#options.expected;
    return new IntegrityError(`${this.#where(supplier)}: expected bytes ${sizeBytes}, found ${found}`, {
      code: 'size-mismatch',
      hint: 'the bytes are not the published ones: get them again, or from another source',
      facts: { path: name, expected: sizeBytes, found },
    });
  }
}

/** A link that a hub signed anew for each request may have run out on its way: it is asked for again. */
function isWorthAnotherTry(error: FsbError): boolean {
  return (
    (error.retryable && error.code !== 'offline') || (error.facts.status === 403 && error.facts.redirected === true)
  );
}

/** Without a hash, bytes are taken up again only where the same place can say whether its file is still the same. */
async function forgetUnguarded(options: RangedTransferOptions, pieces: PieceMap, journal: Journal): Promise<void> {
  const labels = new Set(options.suppliers.map(({ source }) => source.label));
  for (let piece = 0; piece < pieces.count; piece++) {
    const source = pieces.record(piece)?.source;
    if (source === undefined || (labels.has(source) && journal.validators.has(source))) continue;
    pieces.forget(piece);
    await journal.forget(piece);
  }
}

async function openData(file: string, resumed: boolean): Promise<FileHandle> {
  return resumed
    ? open(file, 'r+').catch(() => open(file, 'w+')) // gone: every piece will differ from its CRC
    : open(file, 'w+');
}

/** Gathers bytes that follow each other to blocks; one block is written while the next one fills. */
class BlockWriter {
  readonly #handle: FileHandle;
  #block = Buffer.allocUnsafeSlow(WRITE_BYTES);
  #other = Buffer.allocUnsafeSlow(WRITE_BYTES);
  #start = 0;
  #length = 0;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    if (this.#length > 0 && position !== this.#start + this.#length) await this.#writeBlock();
    for (let done = 0; done < bytes.length; ) {
      if (this.#length === 0) this.#start = position + done;
      const part = bytes.subarray(done, done + WRITE_BYTES - this.#length);
      this.#block.set(part, this.#length);
      this.#length += part.length;
      done += part.length;
      if (this.#length === WRITE_BYTES) await this.#writeBlock();
    }
  }

  /** Resolves when everything is written. */
  async flush(): Promise<void> {
    await this.#writeBlock();
    await this.#writing;
  }

  async #writeBlock(): Promise<void> {
    await this.#writing; // at most one at a time
    if (this.#length === 0) return;
    this.#writing = writeAll(this.#handle, this.#block.subarray(0, this.#length), this.#start);
    this.#writing.catch(() => undefined); // told to whoever waits for it
    [this.#block, this.#other] = [this.#other, this.#block];
    this.#length = 0;
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

/** False when the file ends before. */
async function readAll(handle: FileHandle, bytes: Buffer, position: number): Promise<boolean> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, position + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

const speedOf = (watch: Watch, now: number): number => (1000 * watch.bytes) / Math.max(1, now - watch.startedAt);

function median(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
