/** The bytes of one answer, put where they belong: into its pieces, each checked off when it is all there. */
import { crc32 } from 'node:zlib';
import { type FsbError, IntegrityError, NetworkError } from '../util/errors.ts';
import type { DataFile } from './data-file.ts';
import type { RateLimit } from './limits.ts';
import type { PieceMap, PieceRecord, Span } from './piece-map.ts';
import type { RunningChecksum } from './running-checksum.ts';
import type { OpenedRange } from './sources/source.ts';
import type { Watch, Watchdog } from './watchdog.ts';

/** Of a piece that broke off: bytes from its start which are written, and their CRC-32 if it was needed. */
export interface BegunPiece {
  readonly bytes: number;
  readonly crc: number | undefined;
}

/** What all answers of a transfer have in common. */
export interface ReceiverParts {
  readonly pieces: PieceMap;
  readonly file: DataFile;
  readonly begun: Map<number, BegunPiece>;
  readonly watchdog: Watchdog;
  readonly rate: RateLimit | undefined;
  readonly signal: AbortSignal;
  /** Takes bytes in that are about to be written. */
  readonly checksum: RunningChecksum;
  /** A piece is on the disk; of its bytes so many were counted as unfinished. */
  readonly onPiece: (piece: number, record: PieceRecord, unfinished: number) => Promise<void>;
  /** So many bytes came; of pieces that are not finished, so many more (or fewer) are here. */
  readonly onBytes: (received: number, unfinished: number) => void;
}

export interface Answer {
  readonly opened: OpenedRange;
  readonly span: Span;
  readonly watch: Watch;
  /** Label of the source. */
  readonly source: string;
  /** File and source, for messages. */
  readonly where: string;
  /** Where the answer's bytes end, exclusive. */
  readonly end: number;
}

/**
 * Reads the answer to its end, or to where another connection has taken over. What came of the last piece is kept in
 * `begun` when it breaks off. Throws NetworkError "wrong-range" or "transfer-truncated", IntegrityError "size-mismatch",
 * what the answer and the disk throw.
 */
export async function receivePieces(parts: ReceiverParts, answer: Answer): Promise<void> {
  await new PieceReceiver(parts, answer).run();
}

// --- internal ---

/** The rest of the answer is not wanted. */
class EnoughError extends Error {}

class PieceReceiver {
  readonly #parts: ReceiverParts;
  readonly #answer: Answer;
  #position: number;
  #piece: number;
  /** Of the current piece's bytes so far; undefined of a piece that passes through the checksum in order. */
  #crc: number | undefined;
  /** Bytes of the current piece, for the display. */
  #unfinished = 0;
  /** What has to be over before the next chunk. */
  #waits: Promise<void>[] = [];
  /** Finishes the answer's last piece: an answer that goes on behind it was none to this question. */
  #last: (() => Promise<void>) | undefined;
  #isTooLong = false;

  constructor(parts: ReceiverParts, answer: Answer) {
    const { pieces, begun } = parts;
    this.#parts = parts;
    this.#answer = answer;
    this.#position = answer.opened.start;
    this.#piece = Math.floor(this.#position / pieces.pieceBytes);
    if (this.#position > pieces.startOf(this.#piece)) this.#crc = begun.get(this.#piece)!.crc;
  }

  async run(): Promise<void> {
    const { pieces, begun } = this.#parts;
    const { opened, span, where } = this.#answer;
    this.#count(0, this.#position - pieces.startOf(this.#piece));
    try {
      await opened.read((chunk) => this.#take(chunk));
      await this.#finishLast();
      if (this.#piece < span.end)
        throw new NetworkError(`${where}: ended after ${this.#position} of ${pieces.sizeBytes} bytes`, {
          code: 'transfer-truncated',
          hint: 'run the same command again',
        });
    } catch (error) {
      await Promise.all(this.#waits); // first what failed, if something did
      if (!this.#isTooLong) await this.#finishLast();
      if (error instanceof EnoughError) return;
      // what came of the piece is kept: the next connection goes on in the middle of it
      if (this.#piece < pieces.count && pieces.isOwnedBy(this.#piece, span))
        begun.set(this.#piece, { bytes: this.#position - pieces.startOf(this.#piece), crc: this.#crc });
      throw error;
    } finally {
      this.#count(0, -this.#unfinished);
    }
  }

  #take(received: Buffer): Promise<void> | undefined {
    const { pieces, watchdog, rate, signal } = this.#parts;
    const { span, watch, end } = this.#answer;
    // everything has come, for a file in one stream perhaps by way of others
    if (span.isWhole && pieces.isComplete) throw new EnoughError();
    watch.waitingSince = undefined;
    watchdog.received(watch, received.length);
    this.#count(received.length, 0);
    this.#isTooLong = this.#position + received.length > end;
    if (this.#isTooLong) throw this.#tooMuch(this.#position + received.length);
    this.#waits = rate ? [rate.take(received.length, signal)] : [];
    for (let at = 0; at < received.length; ) {
      const part = received.subarray(at, at + pieces.endOf(this.#piece) - this.#position);
      at += part.length;
      this.#put(part);
      // the rest went to another connection; a body that is all here ends by itself and frees its connection
      if (this.#piece >= span.end && this.#position < end) throw new EnoughError();
    }
    if (this.#waits.length === 0) watch.waitingSince = performance.now();
    else
      return Promise.all(this.#waits).then(() => {
        watch.waitingSince = performance.now();
      });
    return undefined;
  }

  /** Bytes within the current piece. */
  #put(part: Buffer): void {
    const { pieces, file, checksum } = this.#parts;
    const { span, watch, end } = this.#answer;
    const [piece, start] = [this.#piece, pieces.startOf(this.#piece)];
    if (this.#position === start) {
      pieces.takePassing(piece, span);
      this.#crc = checksum.isNext(start) ? undefined : 0;
    }
    const isOurs = pieces.isOwnedBy(piece, span);
    if (isOurs) {
      if (this.#crc !== undefined) this.#crc = crc32(part, this.#crc);
      checksum.passing(part, this.#position);
      const writing = file.write(part, this.#position);
      if (writing) this.#waits.push(writing);
      this.#count(0, part.length);
      if (!span.isWhole) watch.keptBytes += part.length;
    }
    this.#position += part.length;
    if (this.#position < pieces.endOf(piece)) return;
    if (isOurs) {
      const proof = { crc: this.#crc, upTo: this.#crc === undefined ? checksum.upTo(this.#position) : undefined };
      if (this.#position < end) this.#waits.push(this.#finish(piece, proof));
      else this.#last = () => this.#finish(piece, proof);
    } else this.#count(0, -this.#unfinished);
    span.at = ++this.#piece;
  }

  async #finishLast(): Promise<void> {
    await this.#last?.();
    this.#last = undefined;
  }

  async #finish(piece: number, { crc, upTo }: Pick<PieceRecord, 'crc' | 'upTo'>): Promise<void> {
    const { pieces, file, onPiece } = this.#parts;
    const { span, source, watch } = this.#answer;
    const unfinished = this.#unfinished;
    this.#unfinished = 0;
    await Promise.all(this.#waits); // its bytes are written
    // the order was lost in the middle of it: read back
    const known =
      crc ?? (upTo === undefined ? await file.crc32(pieces.startOf(piece), pieces.endOf(piece)) : undefined);
    await onPiece(piece, { crc: known, upTo, source }, unfinished);
    if (span.isWhole) watch.keptBytes += pieces.endOf(piece) - pieces.startOf(piece);
  }

  #count(received: number, unfinished: number): void {
    this.#unfinished += unfinished;
    this.#parts.onBytes(received, unfinished);
  }

  #tooMuch(bytes: number): FsbError {
    const { opened, where, watch } = this.#answer;
    const { sizeBytes } = this.#parts.pieces;
    watch.keptBytes = 0; // however much it sent, asking it like this leads nowhere
    if (opened.isPartial)
      return new NetworkError(`${where}: more bytes than the range that was asked for`, { code: 'wrong-range' });
    return new IntegrityError(`${where}: expected bytes ${sizeBytes}, found ${bytes}`, {
      code: 'size-mismatch',
      hint: 'the bytes are not the published ones: get them again, or from another source',
      facts: { expected: sizeBytes, found: bytes },
    });
  }
}
