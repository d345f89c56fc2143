/** How files are fetched, and what has become of one. */
import type { FsbError } from '../util/errors.ts';
import type { RateLimit, RetryPolicy, Slots, StallPolicy } from './limits.ts';
import type { Supplier } from './suppliers.ts';

export interface TransferOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes of the file that are here (taken up again or new), and of how many as far as known. */
  readonly onHeld?: ((bytes: number, sizeBytes: number | undefined) => void) | undefined;
  /** Called with the number of further bytes that were read from a source. */
  readonly onReceived?: ((bytes: number) => void) | undefined;
  /** A place is used no longer for this file. */
  readonly onDropped?: ((source: string, reason: FsbError) => void) | undefined;
  /**
   * Other places that should have the very same file, asked for when the file is large or its source fails. Used where
   * the hash is known, since nothing else proves it.
   */
  readonly mirrors?: (() => readonly Promise<Supplier | undefined>[]) | undefined;
  /** Where journals of unfinished files are. @default beside the file */
  readonly journalFolder?: string | undefined;
  /** Connections for one file. @default 4 */
  readonly connections?: number | undefined;
  /** Connections of all files together. @default as many as `connections` */
  readonly slots?: Slots | undefined;
  readonly rate?: RateLimit | undefined;
  readonly retry?: RetryPolicy | undefined;
  readonly stall?: StallPolicy | undefined;
  /** For tests. @default 4 MiB */
  readonly pieceBytes?: number | undefined;
}

export interface TransferredFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** 64 hex digits, of the bytes as they were written. */
  readonly sha256: string;
  /** Label of the source; of all of them, with " + " between, when there were several. */
  readonly source: string;
}
