/** Are the bytes of a checkpoint's folder still those that were pulled or imported? */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { NotFoundError } from '../util/errors.ts';
import { isLitter } from './checkpoint-files.ts';
import { createChecksum } from './checksum.ts';
import { readRecord } from './record.ts';

export interface VerifiedFile {
  readonly path: string;
  readonly status: 'ok' | 'differs' | 'missing';
  readonly sizeBytes: number;
  readonly sha256: string;
  /** What is there instead, when it differs; the hash is left out when the size already does. */
  readonly found?: { readonly sizeBytes: number; readonly sha256?: string } | undefined;
}

export interface CheckpointVerification {
  /** True when every recorded file is there with its size and sha256. */
  readonly ok: boolean;
  readonly name: string;
  readonly revision: string | null;
  readonly source: string;
  readonly files: readonly VerifiedFile[];
  /** Files in the folder that the record does not know; they make nothing wrong. */
  readonly extra: readonly string[];
}

export interface VerifyOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of further bytes read, and of how many in all. */
  readonly onBytes?: ((bytes: number, totalBytes: number) => void) | undefined;
}

/** Reads and hashes every recorded file. Throws NotFoundError when the folder has no record. */
export async function verifyCheckpoint(folder: string, options: VerifyOptions = {}): Promise<CheckpointVerification> {
  const record = await readRecord(folder);
  if (!record)
    throw new NotFoundError(`${folder}: there is no record of what should be in it`, {
      code: 'no-record',
      hint: 'only folders made by "fsb pull" and "fsb import" can be verified',
    });
  const totalBytes = record.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const files: VerifiedFile[] = [];
  for (const { path: name, sizeBytes, sha256 } of record.files) {
    options.signal?.throwIfAborted();
    const found = await readFound(path.join(folder, name), sizeBytes, totalBytes, options);
    const isSame = found?.sizeBytes === sizeBytes && found.sha256 === sha256;
    const status = isSame ? 'ok' : found ? 'differs' : 'missing';
    files.push({ path: name, status, sizeBytes, sha256, ...(status === 'differs' && { found }) });
  }
  const { name, revision, source } = record;
  const extra = await extraFiles(folder, new Set(record.files.map((file) => file.path)));
  return { ok: files.every((file) => file.status === 'ok'), name, revision, source, files, extra };
}

// --- internal ---

async function readFound(
  file: string,
  expectedBytes: number,
  totalBytes: number,
  { signal, onBytes }: VerifyOptions,
): Promise<{ sizeBytes: number; sha256?: string } | undefined> {
  const { size } = (await stat(file).catch(() => undefined)) ?? {};
  if (size === undefined || size !== expectedBytes) return size === undefined ? undefined : { sizeBytes: size };
  const checksum = createChecksum();
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20, ...(signal && { signal }) })) {
    checksum.update(chunk as Buffer);
    onBytes?.((chunk as Buffer).length, totalBytes);
  }
  return checksum.digest();
}

async function extraFiles(folder: string, known: ReadonlySet<string>): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const name = path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/');
    if (!entry.isDirectory() && !known.has(name) && !isLitter(name)) names.push(name);
  }
  return names.sort();
}
