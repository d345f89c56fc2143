/**
 * What every place that a checkpoint can come from has in common: it lists files with what it knows of their size and
 * hash, and it opens one at a byte offset (or, over the network, any range of one). Where the bytes go is ../transfer.ts' business, which place is taken ../pull.ts'.
 */
import type { ExpectedBytes, FoundBytes } from '../checksum.ts';
import type { ChunkHandler } from '../exchange.ts';
import type { ByteRange } from '../http.ts';

export type { ByteRange } from '../http.ts';

/** A place as the registry or a person names it. The first four are the kinds of registry.json. */
export type SourceSpec =
  | { readonly kind: 'bundled'; readonly path: string; readonly sha256: string; readonly sizeBytes: number }
  | {
      readonly kind: 'huggingface';
      readonly repo: string;
      readonly revision?: string | undefined;
      /** Names of the repository before it was renamed. */
      readonly formerRepos?: readonly string[] | undefined;
      /** Another host with the same protocol, which gets no token. */
      readonly endpoint?: string | undefined;
    }
  | { readonly kind: 'modelscope'; readonly repo: string }
  | {
      readonly kind: 'archive';
      readonly url: string;
      /** Day (UTC) since which the server refuses it; null or absent while it works. */
      readonly expired?: string | null | undefined;
      readonly format?: 'zip' | undefined;
    }
  /** A zip or a folder on this machine. */
  | { readonly kind: 'local'; readonly path: string }
  /** One file behind a URL. */
  | { readonly kind: 'http'; readonly url: string }
  /** Files of a hub repository under their names below a URL: nothing lists them, so it only helps another source. */
  | { readonly kind: 'http-folder'; readonly url: string };

export interface SourceFile extends ExpectedBytes {
  /** Relative, with `/`, checked by `unsafePathReason`. */
  readonly path: string;
  /** Bytes that lie on the disk beside the file until it is unpacked. */
  readonly packedBytes?: number | undefined;
}

export interface Listing {
  /** Commit of a hub repository; undefined where there are no revisions. */
  readonly revision: string | undefined;
  readonly files: readonly SourceFile[];
  /** Files of the source that lie outside the checkpoint's folder and are not in `files`. */
  readonly leftOut?: readonly string[] | undefined;
  /** The files are on the disk of the target already: taking them needs no further space. */
  readonly isHere?: boolean | undefined;
}

export interface RangeOptions {
  /** Of the same file's former answer: other bytes than that file's are not sent as a range. */
  readonly validator?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The answer to a range: that range or, from a server that knows none, the whole file from 0. */
export interface OpenedRange {
  /** Hands the bytes over without copies, or else `chunks` has them: one of the two is read, once. */
  read(onChunk: ChunkHandler): Promise<void>;
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly start: number;
  /** Of the whole file, where the answer tells. */
  readonly totalBytes: number | undefined;
  /** Changes when the file does. */
  readonly validator: string | undefined;
  readonly isPartial: boolean;
}

export interface OpenedFile {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Bytes that will follow, when the source says so. */
  readonly sizeBytes?: number | undefined;
}

/** An entry of a remote archive. */
export interface PackedFile {
  /** Has the packed bytes as the file `file`, with `openRange`. */
  readonly source: Source;
  readonly file: SourceFile & { readonly sizeBytes: number };
  /** True when the packed bytes are the file's own. */
  readonly isStored: boolean;
  /** Says that two entries are the same. */
  readonly identity: string;
  /** The file's bytes; fails with IntegrityError where they are not what the archive declares. */
  unpack(packed: AsyncIterable<Buffer>): AsyncIterable<Buffer>;
}

export interface Source {
  /** For people and records, without secrets: "huggingface:IDEA-CCNL/Wenzhong-GPT2-110M". */
  readonly label: string;
  list(signal?: AbortSignal): Promise<Listing>;
  /** Bytes of a listed file from `offset` to its end. */
  open(file: SourceFile, offset: number, signal?: AbortSignal): Promise<OpenedFile>;
  /** Bytes of a range. A source that has this is read over several connections, and goes on where it broke off. */
  openRange?(file: SourceFile, range: ByteRange, options: RangeOptions): Promise<OpenedRange>;
  /** How a file is packed where it comes from, if it is: the packed bytes are fetched, then unpacked. */
  packed?(file: SourceFile, signal?: AbortSignal): Promise<PackedFile | undefined>;
  /** Where a file lies on this machine as it is, so that it can be cloned instead of read. */
  localPath?(file: SourceFile): string;
  /**
   * Gives a file away, once, to another path on the same disk; returns what its bytes were when they were written.
   * undefined from a source that keeps its files.
   */
  move?(file: SourceFile, target: string): Promise<FoundBytes | undefined>;
  close(): Promise<void>;
}
