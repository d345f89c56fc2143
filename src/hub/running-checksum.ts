/**
 * The checksum of a file that comes in pieces: bytes that pass in order are hashed as they pass, the others are read
 * back when their turn comes.
 */
import { crc32 } from 'node:zlib';
import type { Bell } from './bell.ts';
import { type Checksum, createChecksum, type ExpectedBytes, type FoundBytes } from './checksum.ts';
import type { DataFile } from './data-file.ts';
import type { Journal } from './journal.ts';
import type { PieceMap, PieceRecord } from './piece-map.ts';

export interface ChecksumParts {
  readonly expected: ExpectedBytes;
  readonly file: DataFile;
  readonly pieces: PieceMap;
  readonly journal: Journal;
  /** Rings when a piece was finished or given back, and when the transfer is aborted. */
  readonly bell: Bell;
}

export class RunningChecksum {
  readonly #parts: ChecksumParts;
  #hash: Checksum;
  /** Up to where it has got: -1 while it has to start over. */
  #front = -1;
  /** Raised with every start over. */
  #epoch = 0;

  constructor(parts: ChecksumParts) {
    this.#parts = parts;
    this.#hash = createChecksum(parts.expected);
  }

  /** Takes bytes in that are about to be written, when they are the next ones. */
  passing(part: Uint8Array, position: number): void {
    if (position === this.#front) {
      this.#hash.update(part);
      this.#front += part.length;
    } else if (position < this.#front) this.startOver(); // a piece that was half hashed comes again from its beginning
  }

  /** True when the byte at this place is the next one. */
  isNext(position: number): boolean {
    return position === this.#front;
  }

  /** sha256 of the file up to here, if that is how far it has got. */
  upTo(position: number): string | undefined {
    return position === this.#front ? this.#hash.copy().digest().sha256 : undefined;
  }

  /** Bytes that were hashed already may come again. */
  startOver(): void {
    this.#epoch++;
    this.#front = -1;
    this.#parts.bell.ring();
  }

  /** Resolves with the checksum once all pieces are on the disk. Throws `signal.reason` when aborted. */
  async finish(signal: AbortSignal): Promise<FoundBytes> {
    const { pieces } = this.#parts;
    const buffer = Buffer.allocUnsafeSlow(Math.min(pieces.pieceBytes, pieces.sizeBytes));
    for (;;) {
      const found = await this.#readInOrder(buffer, signal);
      if (found) return found;
    }
  }

  /** undefined when it has to start over. */
  async #readInOrder(buffer: Buffer, signal: AbortSignal): Promise<FoundBytes | undefined> {
    const { expected, file, pieces, journal, bell } = this.#parts;
    const epoch = this.#epoch;
    this.#hash = createChecksum(expected);
    this.#front = 0;
    // bytes that pass are hashed before they are written: it is over when all pieces are on the disk too
    while (this.#front < pieces.sizeBytes || !pieces.isComplete) {
      signal.throwIfAborted();
      const front = this.#front;
      const piece = Math.floor(front / pieces.pieceBytes);
      const record = front < pieces.sizeBytes ? pieces.record(piece) : undefined;
      if (!record) await bell.wait(1000);
      else {
        const bytes = buffer.subarray(0, pieces.endOf(piece) - front);
        const isThere = await file.read(bytes, front);
        const next = this.#hash.copy();
        if (isThere) next.update(bytes);
        if (this.#epoch === epoch && isThere && (!record.isResumed || isAsRecorded(record, bytes, next))) {
          this.#hash = next;
          this.#front = pieces.endOf(piece);
        } else if (this.#epoch === epoch) {
          pieces.forget(piece); // the disk does not hold what the journal says: fetched again
          await journal.forget(piece);
          bell.ring();
        }
      }
      if (this.#epoch !== epoch) return undefined;
    }
    return this.#hash.digest();
  }
}

// --- internal ---

function isAsRecorded({ crc, upTo }: PieceRecord, bytes: Uint8Array, withThem: Checksum): boolean {
  return crc === undefined ? withThem.copy().digest().sha256 === upTo : crc32(bytes) === crc;
}
