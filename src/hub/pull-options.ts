/** What a pull is asked for, and what it tells on the way. */
import type { CacheFolders } from './cached-files.ts';
import type { Selection } from './checkpoint-files.ts';
import type { HttpOptions } from './http.ts';
import type { RetryPolicy } from './limits.ts';
import type { SourceFile, SourceSpec } from './sources/source.ts';
import type { TransferredFile } from './transfer-options.ts';

export interface PullOptions extends Selection {
  /** The model's name, for the record and for messages. */
  readonly name: string;
  /** Best first. */
  readonly sources: readonly SourceSpec[];
  /** The checkpoint's folder, or a function from the commit (undefined where there are none) to it. */
  readonly target: string | ((revision: string | undefined) => string);
  /** Branch, tag or commit of a hub repository. @default the source's own, else "main" */
  readonly revision?: string | undefined;
  /** Fetch even what is already there. @default false */
  readonly force?: boolean | undefined;
  /** @default false */
  readonly offline?: boolean | undefined;
  /** @default "https://huggingface.co" */
  readonly huggingFaceEndpoint?: string | undefined;
  /** Sent to that endpoint's origin only. */
  readonly huggingFaceToken?: string | undefined;
  /** @default "https://modelscope.cn" */
  readonly modelScopeEndpoint?: string | undefined;
  /** Folders of other tools whose files are taken by hash. @default none */
  readonly caches?: CacheFolders | undefined;
  /** Where the hashes of files are pinned whose publisher gives none. @default nowhere */
  readonly firstUseFile?: string | undefined;
  /** Folder that bundled paths are relative to. @default the installed package */
  readonly bundledRoot?: string | undefined;
  /** Connections at a time. @default 8 */
  readonly connections?: number | undefined;
  /** Bytes a second over all connections. @default unlimited */
  readonly maxBytesPerSecond?: number | undefined;
  /** How long to wait for another process that pulls the same, in ms. @default as long as it takes */
  readonly waitMs?: number | undefined;
  readonly timeouts?: Pick<HttpOptions, 'connectTimeoutMs' | 'idleTimeoutMs'> | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
  /** Unit of resuming, in bytes. @default 4 MiB */
  readonly pieceBytes?: number | undefined;
  readonly onEvent?: ((event: PullEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type PullEvent =
  /** A source that is not used, or from now on not for the file `path`. */
  | { readonly type: 'passed-over'; readonly source: string; readonly reason: string; readonly path?: string }
  | { readonly type: 'source'; readonly source: string }
  /** Another process pulls the same; its result will be used. */
  | { readonly type: 'waiting'; readonly host: string; readonly pid: number }
  /** `totalBytes` is undefined while a source does not tell every size. */
  | {
      readonly type: 'files';
      readonly revision: string | undefined;
      readonly files: readonly SourceFile[];
      readonly totalBytes: number | undefined;
    }
  /** Files of an archive outside the checkpoint's folder. */
  | { readonly type: 'left-out'; readonly paths: readonly string[] }
  /** `path` is a file's, or "" for an archive fetched whole; `bytes` that are here, `sizeBytes` in the end if known. */
  | { readonly type: 'progress'; readonly path: string; readonly bytes: number; readonly sizeBytes: number | undefined }
  | ({ readonly type: 'file' } & TransferredFile)
  /** Nothing had to be done. */
  | { readonly type: 'present'; readonly path: string };
