/** The checkpoint's folder: where it is, whether it has everything already, and whether it may be replaced. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { IntegrityError, UsageError } from '../util/errors.ts';
import { isDirectory, pathExists } from '../util/files.ts';
import type { PullOptions } from './pull-options.ts';
import { type CheckpointRecord, RECORD_FILE, readRecord } from './record.ts';
import type { TransferredFile } from './transfer-options.ts';

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
  target: string | undefined,
  options: PullOptions,
  revision: string | undefined,
): Promise<PresentCheckpoint | undefined> {
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

/** The folder to look into before any connection: fixed, or known by a commit that is asked for. */
export function earlyTarget({ target, revision }: PullOptions): string | undefined {
  if (typeof target === 'string') return target;
  return revision !== undefined && /^[0-9a-f]{40}$/.test(revision) ? target(revision) : undefined;
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
