/**
 * Pull: from a model's sources to a checkpoint folder that is whole and right, or to an error and no folder.
 * One source is chosen and its files are fetched one after the other.
 */
import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { requireDiskSpace } from '../util/disk.ts';
import { IntegrityError, UsageError } from '../util/errors.ts';
import { isDirectory, pathExists, writeFolder } from '../util/files.ts';
import { type Selection, selectFiles } from './checkpoint-files.ts';
import { chooseSource, labelOf, openSource } from './choose-source.ts';
import { createHttpClient, type HttpOptions } from './http.ts';
import { type CheckpointRecord, RECORD_FILE, readRecord, writeRecord } from './record.ts';
import { fileNameOf } from './sources/http.ts';
import type { Source, SourceFile, SourceSpec } from './sources/source.ts';
import { type TransferredFile, transferFile } from './transfer.ts';

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
  /** Folder that bundled paths are relative to. @default the installed package */
  readonly bundledRoot?: string | undefined;
  readonly timeouts?: Pick<HttpOptions, 'connectTimeoutMs' | 'idleTimeoutMs'> | undefined;
  readonly onEvent?: ((event: PullEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type PullEvent =
  | { readonly type: 'passed-over'; readonly source: string; readonly reason: string }
  | { readonly type: 'source'; readonly source: string }
  /** `totalBytes` is undefined while a source does not tell every size. */
  | {
      readonly type: 'files';
      readonly revision: string | undefined;
      readonly files: readonly SourceFile[];
      readonly totalBytes: number | undefined;
    }
  /** Files of an archive outside the checkpoint's folder. */
  | { readonly type: 'left-out'; readonly paths: readonly string[] }
  /** `path` is a file's, or "" for an archive on its way; `bytes` so far, `sizeBytes` in the end if known. */
  | { readonly type: 'progress'; readonly path: string; readonly bytes: number; readonly sizeBytes: number | undefined }
  | ({ readonly type: 'file' } & TransferredFile)
  /** Nothing had to be done. */
  | { readonly type: 'present'; readonly path: string };

export interface PullResult {
  readonly name: string;
  /** Commit of a hub repository; null for archives, folders and single files. */
  readonly revision: string | null;
  /** The checkpoint's folder. */
  readonly path: string;
  readonly files: readonly TransferredFile[];
  /** Bytes read from the source: of the files or, for a remote archive, of the archive. 0 when all was there. */
  readonly bytesTransferred: number;
  readonly seconds: number;
}

export interface PullPlan {
  readonly name: string;
  readonly revision: string | null;
  readonly source: string;
  /** For a remote archive the archive itself: its content shows when it is fetched. */
  readonly files: readonly SourceFile[];
  readonly totalBytes: number | undefined;
}

export interface PullFilesOptions {
  readonly onEvent?: ((event: PullEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Pulls a checkpoint. A folder that a former pull with the same revision and selection filled is taken as it is (by its
 * record and the sizes; `verifyCheckpoint` reads the bytes). Throws NotFoundError, NetworkError, RefusedError,
 * IntegrityError, ResourceError; `signal.reason` when aborted. On every one of these a former folder stays as it was.
 */
export async function pullModel(options: PullOptions): Promise<PullResult> {
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const early = await presentCheckpoint(earlyTarget(options), options, options.revision);
  if (early) return { ...early, seconds: seconds() };

  return withSource(options, async (source, spec) => {
    const { onEvent, signal, name } = options;
    const { revision, files, leftOut } = await listSelected(source, spec, options);
    if (leftOut.length) onEvent?.({ type: 'left-out', paths: leftOut });
    const target = targetFor(options, revision);
    const present = await presentCheckpoint(target, options, revision);
    if (present) return { ...present, seconds: seconds() };
    await requireReplaceable(target);
    await requireDiskSpace(target, totalOf(files) ?? 0, `the checkpoint of ${name}`);
    const transferred = await writeFolder(target, async (folder) => {
      const done = await pullFiles(source, files, folder, { onEvent, signal });
      await writeRecord(folder, {
        name,
        source: source.label,
        revision: revision ?? null,
        requestedRevision: options.revision ?? null,
        include: [...(options.include ?? [])],
        exclude: [...(options.exclude ?? [])],
        files: done,
      });
      signal?.throwIfAborted();
      return done;
    });
    const bytesTransferred = source.archiveBytes ?? transferred.reduce((sum, file) => sum + file.sizeBytes, 0);
    return { name, revision: revision ?? null, path: target, files: transferred, bytesTransferred, seconds: seconds() };
  });
}

/** What `pullModel` would fetch and from where, without fetching it. */
export async function planPull(options: PullOptions): Promise<PullPlan> {
  return withSource(options, async (source, spec) => {
    const { name } = options;
    if (spec.kind === 'archive') {
      const files = [{ path: fileNameOf(spec.url) }];
      return { name, revision: null, source: source.label, files, totalBytes: undefined };
    }
    const { revision, files } = await listSelected(source, spec, options);
    return { name, revision: revision ?? null, source: source.label, files, totalBytes: totalOf(files) };
  });
}

/** Fetches these files of a source into a folder, one after the other (errors: see transferFile). */
export async function pullFiles(
  source: Source,
  files: readonly SourceFile[],
  folder: string,
  { onEvent, signal }: PullFilesOptions = {},
): Promise<TransferredFile[]> {
  const transferred: TransferredFile[] = [];
  for (const file of files) {
    signal?.throwIfAborted();
    let bytes = 0;
    const onBytes = (more: number, sizeBytes: number | undefined): void => {
      bytes += more;
      onEvent?.({ type: 'progress', path: file.path, bytes, sizeBytes });
    };
    const done = await transferFile(source, file, folder, { signal, onBytes });
    onEvent?.({ type: 'file', ...done });
    transferred.push(done);
  }
  return transferred;
}

/** A folder that fsb did not fill is never replaced: throws UsageError. An absent or empty one is fine. */
export async function requireReplaceable(target: string): Promise<void> {
  if (!(await pathExists(target))) return;
  if (await isDirectory(target)) {
    const names = await readdir(target);
    if (names.length === 0 || names.includes(RECORD_FILE)) return;
  }
  throw new UsageError(`${target} exists and was not made by fsb: it is left alone`, {
    code: 'target-exists',
    hint: 'choose another name or folder, or move it away',
  });
}

// --- internal ---

async function withSource<T>(options: PullOptions, work: (source: Source, spec: SourceSpec) => Promise<T>): Promise<T> {
  const { name, sources, offline = false, onEvent, signal } = options;
  const { spec, passedOver } = chooseSource(name, sources, offline);
  for (const { source, reason } of passedOver) onEvent?.({ type: 'passed-over', source, reason: reason.message });
  onEvent?.({ type: 'source', source: labelOf(spec) });
  const http = createHttpClient({ offline, ...options.timeouts });
  let archiveBytes = 0;
  try {
    const source = await openSource(spec, {
      http,
      offline,
      revision: options.revision,
      huggingFaceEndpoint: options.huggingFaceEndpoint,
      huggingFaceToken: options.huggingFaceToken,
      bundledRoot: options.bundledRoot,
      scratchFolder: `${targetFor(options, undefined)}.${randomBytes(4).toString('hex')}.partial`,
      onArchiveBytes: (bytes, sizeBytes) => {
        archiveBytes += bytes;
        onEvent?.({ type: 'progress', path: '', bytes: archiveBytes, sizeBytes });
      },
      signal,
    });
    try {
      return await work(source, spec);
    } finally {
      await source.close();
    }
  } finally {
    await http.close();
  }
}

async function listSelected(source: Source, spec: SourceSpec, options: PullOptions) {
  const { revision, files, leftOut = [] } = await source.list(options.signal);
  // A URL of one file is taken at its word; a repository holds much that is no part of a checkpoint.
  const selected = spec.kind === 'http' ? files : selectFiles(files, options, source.label);
  options.onEvent?.({ type: 'files', revision, files: selected, totalBytes: totalOf(selected) });
  return { revision, files: selected, leftOut };
}

/** The result for a folder which has everything already, else undefined. */
async function presentCheckpoint(
  target: string | undefined,
  options: PullOptions,
  revision: string | undefined,
): Promise<Omit<PullResult, 'seconds'> | undefined> {
  if (target === undefined || options.force) return undefined;
  const record = await readRecord(target).catch((error: unknown) => {
    if (error instanceof IntegrityError) return undefined; // a damaged record is a reason to pull again
    throw error;
  });
  if (!record || !isSameRequest(record, options, revision)) return undefined;
  for (const file of record.files) {
    const found = await stat(path.join(target, file.path)).catch(() => undefined);
    if (found?.size !== file.sizeBytes) return undefined;
  }
  options.onEvent?.({ type: 'present', path: target });
  return { name: options.name, revision: record.revision, path: target, files: record.files, bytesTransferred: 0 };
}

function isSameRequest(record: CheckpointRecord, options: PullOptions, revision: string | undefined): boolean {
  const same = (a: readonly string[], b: readonly string[] = []): boolean => a.join('\0') === b.join('\0');
  const isSameRevision =
    revision === undefined || revision === record.revision || revision === record.requestedRevision;
  return isSameRevision && same(record.include, options.include) && same(record.exclude, options.exclude);
}

/** The folder to look into before any connection: fixed, or known by a commit that is asked for. */
function earlyTarget({ target, revision }: PullOptions): string | undefined {
  if (typeof target === 'string') return target;
  return revision !== undefined && /^[0-9a-f]{40}$/.test(revision) ? target(revision) : undefined;
}

function targetFor({ target }: PullOptions, revision: string | undefined): string {
  return path.resolve(typeof target === 'string' ? target : target(revision));
}

function totalOf(files: readonly SourceFile[]): number | undefined {
  let total = 0;
  for (const { sizeBytes } of files) {
    if (sizeBytes === undefined) return undefined;
    total += sizeBytes;
  }
  return total;
}
