/**
 * One file over several connections and from several places at once: in pieces, each written where it belongs and
 * journalled; the checksum takes bytes that come in order as they pass, and reads back the others. What goes wrong with a connection costs a
 * pause and what it had not finished; what goes wrong with a place costs that place.
 */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { writeError } from '../util/disk.ts';
import { FsbError, IntegrityError, NetworkError } from '../util/errors.ts';
import { Bell } from './bell.ts';
import { compareChecksum, type FoundBytes } from './checksum.ts';
import { DataFile } from './data-file.ts';
import { Journal } from './journal.ts';
import type { RateLimit, RetryPolicy, Slots, StallPolicy } from './limits.ts';
import { PieceMap, type PieceRecord, type Span } from './piece-map.ts';
import { type BegunPiece, type ReceiverParts, receivePieces } from './piece-receiver.ts';
import { RunningChecksum } from './running-checksum.ts';
import type { OpenedRange, SourceFile } from './sources/source.ts';
import { type Supplier, type SupplierState, Suppliers } from './suppliers.ts';
import { TrustRounds } from './trust-rounds.ts';
import { type Watch, Watchdog } from './watchdog.ts';

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

/** A stretch that is done sooner is left to its connection: taking half of it costs a request and bytes on their way. */
const SHARE_SECONDS = 1;
/** Files of so many pieces are fetched from all places at once; for less, asking around takes longer. */
const MIN_SHARED_FILE_PIECES = 4;
/** How often a file may change at a place before it is hopeless. */
const MAX_CHANGES = 2;
/** Until somebody else's change, in ms. */
const LATER = 1000;

/**
 * Fetches what is missing of the file and returns its checksum, compared with what is expected; the bytes are on the disk
 * (fsync). Throws NotFoundError and RefusedError of the first supplier at once, NetworkError when no supplier is left,
 * IntegrityError "size-mismatch", "hash-mismatch" or "changed-underneath", ResourceError, `signal.reason` when aborted.
 */
export async function transferRanged(options: RangedTransferOptions): Promise<RangedTransferResult> {
  const { dataFile, journalFile, expected } = options;
  const pieces = new PieceMap(expected.sizeBytes, options.pieceBytes, options.connections);
  await mkdir(path.dirname(dataFile), { recursive: true });
  let file: DataFile | undefined;
  let journal: Journal | undefined;
  let hasNothing = false;
  try {
    const opened = await Journal.open(journalFile, expected, pieces);
    journal = opened.journal;
    file = await DataFile.open(dataFile, opened.resumed);
    if (isUnproven(expected)) await forgetUnguarded(options, pieces, journal);
    const result = await new RangedTransfer(options, pieces, file, journal).run();
    await file.seal(expected.sizeBytes);
    return result;
  } catch (error) {
    hasNothing = pieces.doneBytes === 0;
    options.signal?.throwIfAborted();
    throw writeError(error, dataFile);
  } finally {
    await journal?.close();
    await file?.close();
    if (hasNothing) {
      await rm(dataFile, { force: true });
      await rm(journalFile, { force: true });
    }
  }
}

// --- internal ---

/** The server knows no ranges: no failure, but another way of asking. */
class NoRangesError extends Error {}

class RangedTransfer {
  readonly #options: RangedTransferOptions;
  readonly #pieces: PieceMap;
  readonly #file: DataFile;
  readonly #journal: Journal;
  readonly #bell = new Bell();
  readonly #onChange = (): void => this.#bell.ring();
  readonly #suppliers: Suppliers;
  readonly #watchdog: Watchdog;
  readonly #checksum: RunningChecksum;
  readonly #receiver: ReceiverParts;
  readonly #begun = new Map<number, BegunPiece>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #isFinished = false;
  /** Bytes of the file that were reported, and those of unfinished pieces. */
  #held = 0;
  #unfinished = 0;

  constructor(options: RangedTransferOptions, pieces: PieceMap, file: DataFile, journal: Journal) {
    const { expected, connections, suppliers, mirrors, retry, stall, rate, onDropped } = options;
    this.#options = options;
    this.#pieces = pieces;
    this.#file = file;
    this.#journal = journal;
    this.#signal = options.signal ? AbortSignal.any([options.signal, this.#stop.signal]) : this.#stop.signal;
    this.#signal.addEventListener('abort', this.#onChange);
    this.#suppliers = new Suppliers({ suppliers, mirrors, retry, onDropped, onChange: this.#onChange });
    this.#watchdog = new Watchdog({ path: expected.path, stall, connections, onAllowed: this.#onChange });
    this.#checksum = new RunningChecksum({ expected, file, pieces, journal, bell: this.#bell });
    this.#receiver = {
      ...{ pieces, file, rate, begun: this.#begun, watchdog: this.#watchdog, signal: this.#signal },
      checksum: this.#checksum,
      onPiece: (piece, record, unfinished) => this.#finish(piece, record, unfinished),
      onBytes: (received, unfinished) => this.#count(received, unfinished),
    };
  }

  async run(): Promise<RangedTransferResult> {
    const connections = Math.max(1, Math.min(this.#options.connections, this.#pieces.count));
    if (this.#pieces.count >= MIN_SHARED_FILE_PIECES) this.#suppliers.askMirrors();
    this.#watchdog.start();
    this.#count(0, 0);
    let result: RangedTransferResult | undefined;
    const work = [
      this.#prove().then((found) => {
        result = found;
        this.#isFinished = true;
        this.#bell.ring();
      }),
      ...Array.from({ length: connections }, (_, number) => this.#connect(number)),
    ];
    try {
      await Promise.all(work);
    } catch (error) {
      this.#stop.abort(error);
      await Promise.allSettled(work);
      throw error;
    } finally {
      this.#signal.removeEventListener('abort', this.#onChange);
      this.#watchdog.stop();
    }
    return result!; // the checksum's promise is among those awaited
  }

  /** The checksum, compared; where it is wrong, the places are tried one by one. */
  async #prove(): Promise<RangedTransferResult> {
    const { expected, onDropped } = this.#options;
    const rounds = new TrustRounds(this.#pieces, this.#file, this.#suppliers);
    for (;;) {
      const found = await this.#checksum.finish(this.#signal);
      const sources = rounds.sources();
      try {
        compareChecksum(expected, found, `${expected.path} from ${sources.join(' and ')}`);
      } catch (error) {
        const suspects = await rounds.next();
        await this.#takeBack((piece) => suspects === undefined || suspects.has(piece));
        if (suspects === undefined) throw error;
        continue;
      }
      for (const label of await rounds.liars())
        onDropped?.(
          label,
          new IntegrityError(`${this.#where(label)}: it serves other bytes than the published ones`, {
            code: 'different-bytes',
          }),
        );
      return { ...found, sources };
    }
  }

  // --- connections ---

  async #connect(number: number): Promise<void> {
    while (!this.#isFinished) {
      this.#signal.throwIfAborted();
      const supplier = this.#watchdog.allows(number) ? this.#suppliers.choose() : LATER;
      if (typeof supplier === 'number') await this.#bell.wait(supplier);
      else if (!(await this.#options.slots.use(() => this.#fetch(supplier)))) await this.#bell.wait(LATER);
    }
  }

  /** One request; false when there is nothing to fetch at the moment. */
  async #fetch(supplier: SupplierState): Promise<boolean> {
    if (this.#isFinished || this.#signal.aborted || supplier.dropped) return true;
    if (supplier.isWholeOnly && supplier.active > 0) return false; // chosen by two at once
    const span = supplier.isWholeOnly
      ? this.#pieces.claimAll()
      : this.#pieces.claim((busy) => this.#secondsLeft(busy) > SHARE_SECONDS);
    if (!span) return false;
    const watch = this.#watchdog.open(supplier.label, span);
    supplier.active++;
    try {
      await this.#receive(supplier, span, watch);
      supplier.failures = 0;
      supplier.speed = this.#watchdog.finished(watch);
    } catch (error) {
      if (this.#signal.aborted) throw this.#signal.reason;
      const reason = watch.control.signal.aborted ? watch.control.signal.reason : error;
      if (reason instanceof FsbError) this.#suppliers.failed(supplier, reason, watch);
      else if (!(reason instanceof NoRangesError)) throw reason;
    } finally {
      this.#watchdog.close(watch);
      supplier.active--;
      this.#bell.ring();
    }
    return true;
  }

  #secondsLeft(span: Span): number {
    const speed = this.#watchdog.speedOf(span, 1000 * SHARE_SECONDS);
    if (speed === undefined) return 0; // too early to tell
    return (this.#pieces.endOf(span.end - 1) - this.#pieces.startOf(span.at)) / Math.max(1, speed);
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
      const source = supplier.label;
      const answer = { opened, span, watch, source, where: this.#where(source) };
      await receivePieces(this.#receiver, { ...answer, end: opened.isPartial ? end : pieces.sizeBytes });
    } finally {
      pieces.release(span);
    }
  }

  /** The whole file is coming over this connection: what others of its place still ask for is taken on the way. */
  #giveUpOthers(watch: Watch): void {
    for (const other of this.#watchdog.siblingsOf(watch)) {
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
    const isGuarded = isUnproven(expected);
    const opened = await supplier.source.openRange!(
      supplier.file,
      { start, end },
      {
        // with a hash known, the hash is the guard: hosts of one file often disagree on its ETag
        validator: isGuarded ? this.#journal.validators.get(supplier.label) : undefined,
        signal: AbortSignal.any([this.#signal, watch.control.signal]),
      },
    );
    if (isGuarded) await this.#guard(supplier, opened);
    else if (opened.totalBytes !== undefined && opened.totalBytes !== expected.sizeBytes)
      throw this.#sizeMismatch(supplier, opened.totalBytes);
    return { opened, start, end };
  }

  /** Without a hash, the bytes must at least be of one and the same file. */
  async #guard(supplier: SupplierState, { validator, totalBytes }: OpenedRange): Promise<void> {
    const { expected } = this.#options;
    const where = this.#where(supplier.label);
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
          `${where}: the file changed while it was fetched${sizeChanged ? ` (${expected.sizeBytes} bytes, now ${totalBytes})` : ''}`,
          { code: 'changed-underneath', hint: 'run the same command again when nobody is replacing it' },
        );
      throw new NetworkError(`${where}: the file changed while it was fetched; starting it over`, {
        code: 'changed-underneath',
      });
    }
    if (validator !== undefined) await this.#journal.validator(supplier.label, validator);
  }

  // --- pieces ---

  async #finish(piece: number, record: PieceRecord, unfinished: number): Promise<void> {
    await this.#journal.piece(piece, record);
    this.#begun.delete(piece);
    this.#pieces.finish(piece, record);
    this.#unfinished -= unfinished;
    this.#bell.ring();
  }

  async #takeBack(isSuspect: (piece: number) => boolean): Promise<void> {
    for (let piece = 0; piece < this.#pieces.count; piece++)
      if (this.#pieces.record(piece) && isSuspect(piece)) {
        this.#pieces.forget(piece);
        await this.#journal.forget(piece);
      }
    this.#checksum.startOver();
  }

  #count(received: number, unfinished: number): void {
    if (received > 0) this.#options.onReceived?.(received);
    this.#unfinished += unfinished;
    const held = this.#pieces.doneBytes + this.#unfinished;
    if (held < this.#held || (held === this.#held && held > 0)) return;
    this.#held = held;
    this.#options.onHeld?.(held);
  }

  #where(label: string): string {
    return `${this.#options.expected.path} from ${label}`;
  }

  #sizeMismatch({ label }: SupplierState, found: number): IntegrityError {
    const { sizeBytes, path: name } = this.#options.expected;
    return new IntegrityError(`${this.#where(label)}: expected bytes ${sizeBytes}, found ${found}`, {
      code: 'size-mismatch',
      hint: 'the bytes are not the published ones: get them again, or from another source',
      facts: { path: name, expected: sizeBytes, found },
    });
  }
}

/** Nothing but its validators says that the file is still the same. */
function isUnproven({ sha256, gitSha1 }: SourceFile): boolean {
  return sha256 === undefined && gitSha1 === undefined;
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
