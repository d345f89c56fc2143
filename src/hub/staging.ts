/**
 * Where a checkpoint grows: `<target>.partial/`, always the same place, so that the next run finds what the last one
 * left. It becomes `<target>` when everything in it is whole and right, and one process at a time works in it.
 *
 *     <target>.partial/files/      the checkpoint's files, some unfinished
 *     <target>.partial/journals/   what of the unfinished ones is there
 *     <target>.partial/lease       who is working
 */
import { readdir, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { writeError } from '../util/disk.ts';
import { LockedError } from '../util/errors.ts';
import { makeFolder, replaceFolder } from '../util/files.ts';
import { acquireLease, type LeaseOptions } from './lease.ts';

export interface Staging {
  /** Becomes the target. */
  readonly folder: string;
  readonly journalFolder: string;
  /** Aborted when the caller's signal is, and when another process took the work over. */
  readonly signal: AbortSignal;
  /** Bytes on the disk from former runs. */
  readonly heldBytes: number;
}

/**
 * Runs `work` with the staging folder of `target`; what it returns "finished" becomes the target. What was fetched
 * stays for the next run when `work` throws. `onLease` runs once this process is alone, and may end the work by a value
 * (another process may have finished it meanwhile).
 */
export async function withStaging<T>(
  target: string,
  options: LeaseOptions & { readonly onLease: () => Promise<T | undefined> },
  work: (staging: Staging) => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await stageOnce(target, options, work);
    } catch (error) {
      if (!(error instanceof LockedError && error.code === 'lease-lost')) throw error;
    }
  }
}

/** The staging folder of a target, for messages and plans. */
export function stagingFolder(target: string): string {
  return `${target}.partial`;
}

/** Removes what a process that was killed right after its last step left beside a finished target. */
export async function sweepStaging(target: string): Promise<void> {
  const root = stagingFolder(target);
  const names = await readdir(root).catch(() => undefined); // mostly there is none
  if (names && !names.includes('files')) await rm(root, { recursive: true, force: true }).catch(() => undefined); // in the way of nobody
}

/** Bytes that the files of a folder take on the disk: an unfinished file has holes. */
export async function heldBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries)
    if (entry.isFile()) {
      const found = await stat(path.join(entry.parentPath, entry.name)).catch(() => undefined);
      if (found) bytes += Math.min(found.size, found.blocks * 512);
    }
  return bytes;
}

// --- internal ---

async function stageOnce<T>(
  target: string,
  options: LeaseOptions & { readonly onLease: () => Promise<T | undefined> },
  work: (staging: Staging) => Promise<T>,
): Promise<T> {
  const root = stagingFolder(target);
  const [folder, journalFolder] = [path.join(root, 'files'), path.join(root, 'journals')];
  await makeFolder(root);
  const lease = await acquireLease(path.join(root, 'lease'), options);
  try {
    const early = await options.onLease();
    if (early !== undefined) {
      await rm(folder, { recursive: true, force: true });
      await rm(journalFolder, { recursive: true, force: true });
      return early;
    }
    await makeFolder(folder);
    await makeFolder(journalFolder);
    const signal = options.signal ? AbortSignal.any([options.signal, lease.lost]) : lease.lost;
    const result = await work({ folder, journalFolder, signal, heldBytes: await heldBytes(folder) });
    signal.throwIfAborted();
    await replaceFolder(folder, target);
    await rm(journalFolder, { recursive: true, force: true });
    return result;
  } catch (error) {
    if (lease.lost.aborted && !options.signal?.aborted) throw lease.lost.reason;
    if (!lease.lost.aborted && (await heldBytes(folder)) === 0)
      for (const empty of [folder, journalFolder])
        await rm(empty, { recursive: true, force: true }).catch(() => undefined); // the first error is the one to tell
    throw writeError(error, root);
  } finally {
    await lease.release();
    await rmdir(root).catch(() => undefined); // something is kept in it, or another process is already there
  }
}
