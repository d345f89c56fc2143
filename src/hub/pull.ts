/**
 * Pull: from a model's sources to a checkpoint folder that is whole and right, or to an error and no folder. The first
 * source that answers lists the files; the others help with those whose hash is known. What was fetched before an error
 * stays aside, and the next pull goes on from there.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { requireDiskSpace } from '../util/disk.ts';
import { IntegrityError } from '../util/errors.ts';
import { adoptCachedFile, type CachedRepos } from './cached-files.ts';
import { pinFirstUse } from './first-use.ts';
import { withSources } from './open-sources.ts';
import { earlyTargets, presentCheckpoint, requireReplaceable, targetFor } from './present-checkpoint.ts';
import { FILES_AT_ONCE, type PullFilesOptions, pullFiles } from './pull-files.ts';
import type { PullOptions } from './pull-options.ts';
import { writeRecord } from './record.ts';
import { isShardIndex, requireShards } from './shards.ts';
import type { SourceFile, SourceSpec } from './sources/source.ts';
import { stagingFolder, sweepStaging, withStaging } from './staging.ts';
import { spaceFor, totalOf } from './total-bytes.ts';
import type { TransferredFile } from './transfer-options.ts';

export type { PullEvent, PullOptions } from './pull-options.ts';

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

/**
 * Pulls a checkpoint. A folder that a former pull with the same revision and selection filled is taken as it is (by its
 * record and the sizes; `verifyCheckpoint` reads the bytes). Throws NotFoundError, NetworkError, RefusedError,
 * IntegrityError, ResourceError, LockedError; UsageError for a folder that cannot be written or is not fsb's;
 * `signal.reason` when aborted. On every one of these a former folder stays as it was.
 */
export async function pullModel(options: PullOptions): Promise<PullResult> {
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  for (const target of await earlyTargets(options)) {
    const early = await presentCheckpoint(target, options, options.revision);
    if (early) return { ...early, seconds: seconds() };
  }

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
        const space = listing.isHere ? 0 : spaceFor(files, FILES_AT_ONCE) - staging.heldBytes;
        await requireDiskSpace(target, space, `the checkpoint of ${name}`);
        const pulling = {
          ...transfer,
          journalFolder: staging.journalFolder,
          onEvent,
          mirrorsOf,
          adopt: (file) =>
            adoptCachedFile(file, staging.folder, options.caches ?? {}, reposOf(options.sources), staging.signal),
          signal: staging.signal,
        } satisfies PullFilesOptions;
        const isIndex = new Set(files.filter(isShardIndex));
        const indexes = await pullFiles(primary, [...isIndex], staging.folder, pulling);
        // whoever chooses files wants a part
        if (!asked.include.length && !asked.exclude.length) await requireShards(staging.folder, files, primary.label);
        const others = files.filter((file) => !isIndex.has(file));
        const done = [...indexes, ...(await pullFiles(primary, others, staging.folder, pulling))].sort(
          inOrderOf(files),
        );
        await pinUnhashed(options, files, done, revision, staging.folder);
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

// --- internal ---

/** Files nobody vouches for are held to what they were the first time. */
async function pinUnhashed(
  { firstUseFile }: PullOptions,
  files: readonly SourceFile[],
  done: readonly TransferredFile[],
  revision: string | undefined,
  folder: string,
): Promise<void> {
  if (firstUseFile === undefined) return;
  const unhashed = new Set(files.filter((f) => f.sha256 === undefined && f.gitSha1 === undefined).map((f) => f.path));
  const remote = done.filter((file) => unhashed.has(file.path) && !/^(bundled|local|cache):/.test(file.source));
  try {
    await pinFirstUse(firstUseFile, remote, revision);
  } catch (error) {
    if (error instanceof IntegrityError) await rm(folder, { recursive: true, force: true }); // not to be gone on with
    throw error;
  }
}

function inOrderOf(files: readonly SourceFile[]): (a: TransferredFile, b: TransferredFile) => number {
  const order = new Map(files.map((file, at) => [file.path, at]));
  return (a, b) => (order.get(a.path) ?? 0) - (order.get(b.path) ?? 0);
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
