/** Files and folders: a final name means finished and right, so everything is written aside and renamed. */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { notWritableError, writeError } from './disk.ts';
import { isSystemError } from './errors.ts';

/** True when something (file or folder) is at this path. */
export async function pathExists(target: string): Promise<boolean> {
  return stat(target).then(
    () => true,
    () => false,
  );
}

/** True when a folder is at this path. */
export async function isDirectory(target: string): Promise<boolean> {
  return stat(target).then(
    (s) => s.isDirectory(),
    () => false,
  );
}

/**
 * True for a relative path, written with "/", that names something inside the folder it is relative to on every
 * platform: no "..", no absolute path, drive letter, backslash or NUL.
 */
export function isContainedPath(relative: string): boolean {
  return (
    relative !== '' && !/[\\\0:]/.test(relative) && relative.split('/').every((part) => !['', '.', '..'].includes(part))
  );
}

/** sha256 of a file, streamed, as 64 hex digits. */
export async function sha256OfFile(file: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20, ...(signal && { signal }) }))
    hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Makes a folder and those above it, where they are missing. Throws UsageError (not-writable) where that cannot be. */
export async function makeFolder(folder: string): Promise<void> {
  const error = await mkdir(folder, { recursive: true }).then(() => undefined, reasonOf);
  if (isSystemError(error, 'ENOTDIR') || isSystemError(error, 'EEXIST'))
    throw notWritableError(folder, 'a file is in the place of a folder', error);
  if (error) throw writeError(error, folder);
}

/** Total bytes of the regular files below a folder. */
export async function folderSize(folder: string): Promise<number> {
  let total = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) total += (await stat(path.join(entry.parentPath, entry.name))).size;
  return total;
}

/** Flushes a file's bytes to the disk, so that a rename after it never shows an empty file after a power cut. */
export async function syncFile(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes a text file whole or not at all: aside, flushed, then renamed (replacing a former one). Its folder is made
 * when needed. @param chunks pieces of the text, taken one after the other
 */
export async function writeTextFile(target: string, chunks: Iterable<string>): Promise<void> {
  const partial = `${target}.${randomBytes(4).toString('hex')}.partial`;
  try {
    await makeFolder(path.dirname(target));
    await writeFile(partial, chunks);
    await syncFile(partial);
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true });
    throw writeError(error, target);
  }
}

/** Writes a file aside and renames it: a reader sees the former content or the whole new one. */
export async function writeBytes(file: string, bytes: Uint8Array | string): Promise<void> {
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`;
  try {
    await writeFile(partial, bytes, { flag: 'wx' });
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw writeError(error, file);
  }
}

/**
 * Runs `work` in a fresh folder beside `target`; when it succeeds, that folder becomes `target` (replacing a former
 * one), when it throws, nothing is left. A crash leaves only a `.partial` folder, never a half `target`.
 */
export async function writeFolder<T>(target: string, work: (folder: string) => Promise<T>): Promise<T> {
  const partial = `${target}.${randomBytes(4).toString('hex')}.partial`;
  await makeFolder(partial);
  try {
    const result = await work(partial);
    await replaceFolder(partial, target);
    return result;
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined); // the first error is the one to tell
    throw writeError(error, target);
  }
}

/** Renames a folder, in place of a former one if there is one. */
export async function replaceFolder(from: string, to: string): Promise<void> {
  if (!(await pathExists(to))) return rename(from, to);
  const old = `${to}.${randomBytes(4).toString('hex')}.old`;
  await rename(to, old); // rename cannot replace a folder that is not empty
  await rename(from, to);
  await rm(old, { recursive: true, force: true });
}

// --- internal ---

/** On a read-only disk a recursive mkdir says ENOENT (Node 20); a plain one says what it is. */
async function reasonOf(error: NodeJS.ErrnoException): Promise<unknown> {
  if (error.code !== 'ENOENT' || error.path === undefined) return error;
  const plain = await mkdir(error.path).catch((reason: unknown) => reason);
  return isSystemError(plain, 'EROFS') ? plain : error;
}
