/**
 * What every place that a checkpoint can come from has in common: it lists files with what it knows of their size and
 * hash, and it opens one at a byte offset. Where the bytes go is ../transfer.ts' business, which place is taken ../pull.ts'.
 */
import type { ExpectedBytes } from '../checksum.ts';

/** A place as the registry or a person names it. The first four are the kinds of registry.json. */
export type SourceSpec =
  | { readonly kind: 'bundled'; readonly path: string; readonly sha256: string; readonly sizeBytes: number }
  | { readonly kind: 'huggingface'; readonly repo: string; readonly revision?: string | undefined }
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
  | { readonly kind: 'http'; readonly url: string };

export interface SourceFile extends ExpectedBytes {
  /** Relative, with `/`, checked by `unsafePathReason`. */
  readonly path: string;
}

export interface Listing {
  /** Commit of a hub repository; undefined where there are no revisions. */
  readonly revision: string | undefined;
  readonly files: readonly SourceFile[];
  /** Files of the source that lie outside the checkpoint's folder and are not in `files`. */
  readonly leftOut?: readonly string[] | undefined;
}

export interface OpenedFile {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Bytes that will follow, when the source says so. */
  readonly sizeBytes?: number | undefined;
}

export interface Source {
  /** For people and records, without secrets: "huggingface:IDEA-CCNL/Wenzhong-GPT2-110M". */
  readonly label: string;
  list(signal?: AbortSignal): Promise<Listing>;
  /** Bytes of a listed file from `offset` to its end. */
  open(file: SourceFile, offset: number, signal?: AbortSignal): Promise<OpenedFile>;
  /** Where a file lies on this machine as it is, so that it can be cloned instead of read. */
  localPath?(file: SourceFile): string;
  /** Size of the archive, where files come out of one that was fetched whole. */
  readonly archiveBytes?: number;
  close(): Promise<void>;
}
