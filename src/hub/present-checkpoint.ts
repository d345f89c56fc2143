/** The checkpoint's folder: where it is, whether it has everything already, and whether it may be replaced. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { IntegrityError, UsageError } from '../util/errors.ts';
import { isDirectory, pathExists } from '../util/files.ts';
import type { PullOptions } from './pull-options.ts';
import { type CheckpointRecord, RECORD_FILE, readRecord } from './record.ts';
import type { TransferredFile } from './transfer-options.ts';

const COMMIT = /^[0-9a-f]{40}$/;

/** A folder that a former pull has filled. */
export interface PresentCheckpoint {
  readonly name: string;
  readonly revision: string | null;
  readonly path: string;
  readonly files: readonly TransferredFile[];
  readonly bytesTransferred: 0;
}

/** The result for a folder which has everything already, else undefined. */
export async function presentCheckpoint(
  target: string,
  options: PullOptions,
  revision: string | undefined,
): Promise<PresentCheckpoint | undefined> {
  if (options.force) return undefined;
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

/**
 * The folders to look into before any connection: fixed, or known by a commit that is asked for; offline, where nobody
 * says which commit is meant, those that the same request has filled before, newest first.
 */
export async function earlyTargets({ target, revision, offline }: PullOptions): Promise<string[]> {
  if (typeof target === 'string') return [target];
  if (revision !== undefined && COMMIT.test(revision)) return [target(revision)];
  if (!offline) return [];
  const parent = path.dirname(target(undefined));
  const names = await readdir(parent).catch(() => []); // nothing was ever pulled
  const found: { folder: string; at: number }[] = [];
  for (const folder of names.filter((name) => COMMIT.test(name)).map((name) => path.join(parent, name))) {
    const record = await readRecord(folder).catch(() => undefined); // a damaged one is pulled again
    if (record && record.requestedRevision === (revision ?? null))
      found.push({ folder, at: (await stat(path.join(folder, RECORD_FILE))).mtimeMs });
  }
  return found.sort((a, b) => b.at - a.at).map(({ folder }) => folder);
}

/** The folder of this commit, absolute. */
export function targetFor({ target }: PullOptions, revision: string | undefined): string {
  return path.resolve(typeof target === 'string' ? target : target(revision));
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

function isSameRequest(record: CheckpointRecord, options: PullOptions, revision: string | undefined): boolean {
  const same = (a: readonly string[], b: readonly string[] = []): boolean => a.join('\0') === b.join('\0');
  const isSameRevision =
    revision === undefined || revision === record.revision || revision === record.requestedRevision;
  return isSameRevision && same(record.include, options.include) && same(record.exclude, options.exclude);
}
