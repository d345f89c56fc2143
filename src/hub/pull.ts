/**
 * Pull: from a model's sources to a checkpoint folder that is whole and right, or to an error and no folder. The first
 * source that answers lists the files; the others help with those whose hash is known. What was fetched before an error
 * stays aside, and the next pull goes on from there.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { requireDiskSpace } from '../util/disk.ts';
import {
  type FsbError,
  IntegrityError,
  messageOf,
  NetworkError,
  NotFoundError,
  RefusedError,
  UsageError,
} from '../util/errors.ts';
import { isDirectory, pathExists } from '../util/files.ts';
import { adoptCachedFile, type CachedRepos, type CacheFolders } from './cached-files.ts';
import { type Selection, selectFiles } from './checkpoint-files.ts';
import { chooseSources, hasRevision, labelOf, openSource, type SourceContext } from './choose-source.ts';
import { pinFirstUse } from './first-use.ts';
import { createHttpClient, type HttpClient, type HttpOptions } from './http.ts';
import { DEFAULT_RETRY, DEFAULT_STALL, RateLimit, type RetryPolicy, Slots } from './limits.ts';

import { type CheckpointRecord, RECORD_FILE, readRecord, writeRecord } from './record.ts';
import type { Source, SourceFile, SourceSpec } from './sources/source.ts';
import { stagingFolder, sweepStaging, withStaging } from './staging.ts';
import type { Supplier } from './suppliers.ts';
import { type TransferOptions, type TransferredFile, transferFile, withRetries } from './transfer.ts';

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

export interface PullResult {
  readonly name: string;
  /** Commit of a hub repository; null for archives, folders and single files. */
  readonly revision: string | null;
  /** The checkpoint's folder. */
  readonly path: string;
  readonly files: readonly TransferredFile[];
  /** Bytes of files read from the sources, also those that had to be read twice. 0 when all was there. */
  readonly bytesTransferred: number;
  readonly seconds: number;
}

export interface PlannedFile extends SourceFile {
  /** Bytes from a former run; a file in place has all of them. */
  readonly heldBytes: number;
}

export interface PullPlan {
  readonly name: string;
  readonly revision: string | null;
  readonly source: string;
  /** Further sources that would help. */
  readonly mirrors: readonly string[];
  readonly passedOver: readonly { readonly source: string; readonly reason: string }[];
  /** Where the checkpoint would be. */
  readonly path: string;
  /** For an archive on a server without ranges the archive itself: its content shows when it is fetched. */
  readonly files: readonly PlannedFile[];
  readonly totalBytes: number | undefined;
  /** Still to be fetched. */
  readonly missingBytes: number | undefined;
}

export interface PullFilesOptions extends Omit<TransferOptions, 'onHeld' | 'onDropped' | 'mirrors'> {
  readonly onEvent?: ((event: PullEvent) => void) | undefined;
  /** Other places for a file. */
  readonly mirrorsOf?: ((file: SourceFile) => readonly Promise<Supplier | undefined>[]) | undefined;
  /** A file that is on this machine already. */
  readonly adopt?: ((file: SourceFile) => Promise<TransferredFile | undefined>) | undefined;
}

const DEFAULT_CONNECTIONS = 8;
/** Small files are waited for, not received: a few at a time hide that. */
const FILES_AT_ONCE = 4;

/**
 * Pulls a checkpoint. A folder that a former pull with the same revision and selection filled is taken as it is (by its
 * record and the sizes; `verifyCheckpoint` reads the bytes). Throws NotFoundError, NetworkError, RefusedError,
 * IntegrityError, ResourceError, LockedError; UsageError for a folder that cannot be written or is not fsb's;
 * `signal.reason` when aborted. On every one of these a former folder stays as it was.
 */
export async function pullModel(options: PullOptions): Promise<PullResult> {
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const early = await presentCheckpoint(earlyTarget(options), options, options.revision);
  if (early) return { ...early, seconds: seconds() };

  return withSources(options, false, async ({ primary, listing, mirrorsOf, transfer, received }) => {
    const { onEvent, signal, name } = options;
    const { revision, files, leftOut } = listing;
    if (leftOut.length) onEvent?.({ type: 'left-out', paths: leftOut });
    const target = targetFor(options, revision);
    const present = await presentCheckpoint(target, options, revision);
    if (present) {
      await sweepStaging(target);
      return { ...present, seconds: seconds() };
    }
    await requireReplaceable(target);
    const asked = {
      include: [...(options.include ?? [])],
      exclude: [...(options.exclude ?? [])],
      requestedRevision: options.revision ?? null,
    };
    return withStaging<PullResult>(
      target,
      {
        signal,
        waitMs: options.waitMs,
        onWait: ({ host, pid }) => onEvent?.({ type: 'waiting', host, pid }),
        onLease: async () => {
          const found = await presentCheckpoint(target, options, revision);
          return found && { ...found, seconds: seconds() };
        },
      },
      async (staging) => {
        await keepOnly(staging.folder, files);
        const space = listing.isHere ? 0 : spaceFor(files) - staging.heldBytes;
        await requireDiskSpace(target, space, `the checkpoint of ${name}`);
        const done = await pullFiles(primary, files, staging.folder, {
          ...transfer,
          journalFolder: staging.journalFolder,
          onEvent,
          mirrorsOf,
          adopt: (file) =>
            adoptCachedFile(file, staging.folder, options.caches ?? {}, reposOf(options.sources), staging.signal),
          signal: staging.signal,
        });
        await pinUnhashed(options, files, done, staging.folder);
        await writeRecord(staging.folder, {
          name,
          source: primary.label,
          revision: revision ?? null,
          ...asked,
          files: done,
        });
        const result = { name, revision: revision ?? null, path: target, files: done };
        return { ...result, bytesTransferred: received(), seconds: seconds() };
      },
    );
  });
}

/** What `pullModel` would fetch and from where, without fetching it. */
export async function planPull(options: PullOptions): Promise<PullPlan> {
  return withSources(options, true, async ({ primary, listing, passedOver, mirrors }) => {
    const { revision, files } = listing;
    const target = targetFor(options, revision);
    const present = await presentCheckpoint(target, options, revision);
    const held = async (file: SourceFile): Promise<number> => {
      if (present) return file.sizeBytes ?? 0;
      const found = await stat(path.join(stagingFolder(target), 'files', file.path)).catch(() => undefined);
      return found ? Math.min(found.size, found.blocks * 512) : 0;
    };
    const planned: PlannedFile[] = [];
    for (const file of files) planned.push({ ...file, heldBytes: await held(file) });
    const totalBytes = totalOf(files);
    const heldBytes = planned.reduce((sum, file) => sum + file.heldBytes, 0);
    return {
      name: options.name,
      revision: revision ?? null,
      source: primary.label,
      mirrors,
      passedOver,
      path: target,
      files: planned,
      totalBytes,
      missingBytes: totalBytes === undefined ? undefined : Math.max(0, totalBytes - heldBytes),
    };
  });
}

/** Fetches these files of a source into a folder, some at a time; the first error ends all (errors: see transferFile). */
export async function pullFiles(
  source: Source,
  files: readonly SourceFile[],
  folder: string,
  { onEvent, mirrorsOf, adopt, ...transfer }: PullFilesOptions = {},
): Promise<TransferredFile[]> {
  const stop = new AbortController();
  const signal = transfer.signal ? AbortSignal.any([transfer.signal, stop.signal]) : stop.signal;
  const transferred = new Map<string, TransferredFile>();
  // small ones first: what is wrong with a repository shows before gigabytes are here
  const queue = [...files].sort((a, b) => (a.sizeBytes ?? 0) - (b.sizeBytes ?? 0));
  const fetchNext = async (): Promise<void> => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const { path: name } = file;
      signal.throwIfAborted();
      const adopted = await adopt?.(file);
      const done =
        adopted ??
        (await transferFile(source, file, folder, {
          ...transfer,
          signal,
          mirrors: mirrorsOf && (() => mirrorsOf(file)),
          onHeld: (bytes, sizeBytes) => onEvent?.({ type: 'progress', path: name, bytes, sizeBytes }),
          onDropped: (label, reason) =>
            onEvent?.({ type: 'passed-over', source: label, reason: reason.message, path: name }),
        }));
      onEvent?.({ type: 'file', ...done });
      transferred.set(name, done);
    }
  };
  const work = Array.from({ length: source.openRange || source.packed ? FILES_AT_ONCE : 1 }, fetchNext);
  try {
    await Promise.all(work);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(work);
    throw error;
  }
  return files.flatMap((file) => transferred.get(file.path) ?? []);
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

// --- sources ---

interface Opened {
  readonly primary: Source;
  readonly listing: {
    readonly revision: string | undefined;
    readonly files: readonly SourceFile[];
    readonly leftOut: readonly string[];
    readonly isHere: boolean;
  };
  readonly mirrorsOf: (file: SourceFile) => readonly Promise<Supplier | undefined>[];
  /** Labels of sources that would help. */
  readonly mirrors: readonly string[];
  readonly passedOver: readonly { source: string; reason: string }[];
  readonly transfer: TransferOptions;
  /** Bytes read so far. */
  readonly received: () => number;
}

async function withSources<T>(options: PullOptions, isPlan: boolean, work: (opened: Opened) => Promise<T>): Promise<T> {
  const { name, sources, offline = false, onEvent } = options;
  const { specs, passedOver: unusable } = chooseSources(name, sources, offline);
  const passedOver: { source: string; reason: string }[] = [];
  const passOver = (source: string, reason: string): void => {
    passedOver.push({ source, reason });
    onEvent?.({ type: 'passed-over', source, reason });
  };
  for (const { source, reason } of unusable) passOver(source, reason.message);

  const http = createHttpClient({ offline, ...options.timeouts });
  let received = 0;
  const connections = options.connections ?? DEFAULT_CONNECTIONS;
  const transfer: TransferOptions = {
    connections,
    slots: new Slots(connections),
    rate: options.maxBytesPerSecond === undefined ? undefined : new RateLimit(options.maxBytesPerSecond),
    retry: { ...DEFAULT_RETRY, ...options.retry },
    stall: { ...DEFAULT_STALL, idleMs: options.timeouts?.idleTimeoutMs ?? DEFAULT_STALL.idleMs },
    pieceBytes: options.pieceBytes,
    onReceived: (bytes) => {
      received += bytes;
    },
  };
  const context = sourceContext(options, http, transfer, isPlan);
  const opened: Source[] = [];
  try {
    const { primary, spec, listing } = await openPrimary(specs, options, context, transfer, opened, passOver);
    const helpers = listing.hasHashes ? specs.filter((other) => other !== spec && FILE_KINDS.has(other.kind)) : [];
    const mirrors = helpers.map((helper) => mirrorOf(helper, context, transfer, opened, passOver));
    return await work({
      primary,
      listing,
      mirrors: helpers.map(labelOf),
      mirrorsOf: (file) => mirrors.map((mirror) => mirror(file)),
      passedOver,
      transfer,
      received: () => received,
    });
  } finally {
    for (const source of opened) await source.close();
    await http.close();
  }
}

/** Kinds that have the files one by one under their names. */
const FILE_KINDS: ReadonlySet<SourceSpec['kind']> = new Set(['huggingface', 'modelscope', 'http-folder']);

/** The first source that lists the model. One that fails, refuses or has it not makes the next one's turn. */
async function openPrimary(
  specs: readonly SourceSpec[],
  options: PullOptions,
  context: SourceContext,
  { retry }: TransferOptions,
  opened: Source[],
  passOver: (source: string, reason: string) => void,
) {
  const candidates = listingSources(specs, options, passOver);
  const failures: { source: string; error: FsbError }[] = [];
  for (const [at, spec] of candidates.entries()) {
    options.onEvent?.({ type: 'source', source: labelOf(spec) });
    try {
      const primary = await openSource(spec, context);
      opened.push(primary);
      // with another place to turn to, a few seconds of patience are enough
      const patience =
        at + 1 < candidates.length && retry ? { ...retry, attempts: Math.min(2, retry.attempts) } : retry;
      // an archive's directory takes several requests, each with its own retries
      const found =
        spec.kind === 'archive'
          ? await primary.list(options.signal)
          : await withRetries(() => primary.list(options.signal), patience, options.signal);
      return { primary, spec, listing: select(found, primary, spec, options, context.isPlan) };
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!FAILURES.some((type) => error instanceof type)) throw error;
      failures.push({ source: labelOf(spec), error: error as FsbError });
      if (at + 1 < candidates.length) passOver(labelOf(spec), messageOf(error));
    }
  }
  throw failureOfAll(options.name, failures);
}

/** After these another source is asked. Of several, the first kind here is told: it is the one that may pass. */
const FAILURES = [NetworkError, RefusedError, NotFoundError] as const;

/** Sources that can say which files there are, of the wanted revision. */
function listingSources(
  specs: readonly SourceSpec[],
  { name, revision }: PullOptions,
  passOver: (source: string, reason: string) => void,
): readonly SourceSpec[] {
  const listing = specs.filter((spec) => spec.kind !== 'http-folder');
  const [folder] = specs;
  if (listing.length === 0)
    throw new UsageError(`${folder ? labelOf(folder) : name}: nothing says which files are there`, {
      code: 'no-listing',
      hint: 'give the URL of a zip, or pull from a hub as well',
    });
  if (revision === undefined) return listing;
  const candidates = listing.filter((spec) => hasRevision(spec, revision));
  if (candidates.length === 0)
    throw new UsageError(`${name}: none of its sources has a revision ${JSON.stringify(revision)}`, {
      code: 'no-revisions',
      hint: `leave --revision out; its sources: ${listing.map(labelOf).join(', ')}`,
    });
  for (const spec of listing)
    if (!candidates.includes(spec)) passOver(labelOf(spec), `it has no revision ${JSON.stringify(revision)}`);
  return candidates;
}

function failureOfAll(name: string, failures: readonly { source: string; error: FsbError }[]): FsbError {
  const [first] = FAILURES.flatMap((type) => failures.filter(({ error }) => error instanceof type));
  if (failures.length === 1) return first!.error;
  const { code, hint, facts } = first!.error;
  const Failure = first!.error.constructor as (typeof FAILURES)[number];
  const reasons = failures.map(({ source, error }) => `  ${source}: ${error.message}`);
  return new Failure(`${name}: none of its ${failures.length} sources can give it\n${reasons.join('\n')}`, {
    code,
    hint,
    facts: { ...facts, sources: failures.map(({ source, error }) => ({ source, code: error.code })) },
    cause: first!.error,
  });
}

function select(
  { revision, files, leftOut = [], isHere = false }: Awaited<ReturnType<Source['list']>>,
  primary: Source,
  spec: SourceSpec,
  options: PullOptions,
  isPlan: boolean,
) {
  // A URL of one file is taken at its word; a repository holds much that is no part of a checkpoint.
  const isOneFile = spec.kind === 'http' || (isPlan && spec.kind === 'archive' && files[0]?.sizeBytes === undefined);
  const selected = isOneFile ? files : selectFiles(files, options, primary.label);
  options.onEvent?.({ type: 'files', revision, files: selected, totalBytes: totalOf(selected) });
  const hasHashes = files.some((file) => file.sha256 !== undefined || file.gitSha1 !== undefined);
  return { revision, files: selected, leftOut, isHere, hasHashes };
}

/** Asks a further source, once, when the first file wants it; a function from a file to what it can do for it. */
function mirrorOf(
  spec: SourceSpec,
  context: SourceContext,
  { retry }: TransferOptions,
  opened: Source[],
  passOver: (source: string, reason: string) => void,
): (file: SourceFile) => Promise<Supplier | undefined> {
  const open = async (): Promise<
    { source: Source; files: ReadonlyMap<string, SourceFile> | undefined } | undefined
  > => {
    try {
      const source = await openSource(spec, context);
      opened.push(source);
      if (spec.kind === 'http-folder') return { source, files: undefined };
      const { files } = await withRetries(() => source.list(context.signal), retry, context.signal);
      return { source, files: new Map(files.map((file) => [file.path, file])) };
    } catch (error) {
      if (!context.signal?.aborted) passOver(labelOf(spec), messageOf(error));
      return undefined;
    }
  };
  let mirror: ReturnType<typeof open> | undefined;
  return async (file) => {
    mirror ??= open();
    const found = await mirror;
    if (!found) return undefined;
    if (!found.files) return { source: found.source, file };
    const same = found.files.get(file.path);
    if (!same) return undefined;
    const differs = (a: unknown, b: unknown): boolean => a !== undefined && b !== undefined && a !== b;
    if (
      differs(same.sizeBytes, file.sizeBytes) ||
      differs(same.sha256, file.sha256) ||
      differs(same.gitSha1, file.gitSha1)
    ) {
      passOver(labelOf(spec), `${file.path}: it lists other bytes than the published ones`);
      return undefined;
    }
    return { source: found.source, file: same };
  };
}

function sourceContext(
  options: PullOptions,
  http: HttpClient,
  transfer: TransferOptions,
  isPlan: boolean,
): SourceContext {
  const { onEvent } = options;
  return {
    http,
    offline: options.offline ?? false,
    revision: options.revision,
    huggingFaceEndpoint: options.huggingFaceEndpoint,
    huggingFaceToken: options.huggingFaceToken,
    modelScopeEndpoint: options.modelScopeEndpoint,
    bundledRoot: options.bundledRoot,
    scratchFolder: `${targetFor(options, undefined)}.archive.partial`,
    transfer,
    onWait: ({ host, pid }) => onEvent?.({ type: 'waiting', host, pid }),
    onArchiveBytes: (bytes, sizeBytes) => onEvent?.({ type: 'progress', path: '', bytes, sizeBytes }),
    isPlan,
    signal: options.signal,
  };
}

// --- internal ---

/** Files nobody vouches for are held to what they were the first time. */
async function pinUnhashed(
  { firstUseFile }: PullOptions,
  files: readonly SourceFile[],
  done: readonly TransferredFile[],
  folder: string,
): Promise<void> {
  if (firstUseFile === undefined) return;
  const unhashed = new Set(files.filter((f) => f.sha256 === undefined && f.gitSha1 === undefined).map((f) => f.path));
  const remote = done.filter((file) => unhashed.has(file.path) && /^(archive:)?https?:/.test(file.source));
  try {
    await pinFirstUse(firstUseFile, remote);
  } catch (error) {
    if (error instanceof IntegrityError) await rm(folder, { recursive: true, force: true }); // not to be gone on with
    throw error;
  }
}

function reposOf(sources: readonly SourceSpec[]): CachedRepos {
  return {
    huggingFace: sources.flatMap((s) => (s.kind === 'huggingface' ? [s.repo, ...(s.formerRepos ?? [])] : [])),
    modelScope: sources.flatMap((s) => (s.kind === 'modelscope' ? [s.repo] : [])),
  };
}

/** A former run may have wanted other files. */
async function keepOnly(folder: string, files: readonly SourceFile[]): Promise<void> {
  const wanted = new Set(files.flatMap(({ path: name }) => [name, `${name}.packed`]));
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const full = path.join(entry.parentPath, entry.name);
    const name = path.relative(folder, full).split(path.sep).join('/');
    if (entry.isFile() && !wanted.has(name)) await rm(full, { force: true });
  }
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

/** Disk that a pull needs from nothing: the files, and beside them the packed ones that are unpacked at a time. */
function spaceFor(files: readonly SourceFile[]): number {
  const packed = files.map(({ packedBytes = 0 }) => packedBytes).sort((a, b) => b - a);
  return (totalOf(files) ?? 0) + packed.slice(0, FILES_AT_ONCE).reduce((sum, bytes) => sum + bytes, 0);
}

function totalOf(files: readonly SourceFile[]): number | undefined {
  let total = 0;
  for (const { sizeBytes } of files) {
    if (sizeBytes === undefined) return undefined;
    total += sizeBytes;
  }
  return total;
}
