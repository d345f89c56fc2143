/** Disk space, asked for before the work and named when it runs out. */
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { isSystemError, ResourceError } from './errors.ts';
import { formatBytes } from './format.ts';

/** Bytes an unprivileged process can still write on the disk that holds (or will hold) this path. */
export async function freeDiskBytes(target: string): Promise<number> {
  for (let folder = path.resolve(target); ; folder = path.dirname(folder)) {
    try {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    } catch (error) {
      if (!isSystemError(error, 'ENOENT') || folder === path.dirname(folder)) throw error;
    }
  }
}

/** Throws ResourceError (exit code 7) when the disk of `target` cannot take `bytes` more. */
export async function requireDiskSpace(target: string, bytes: number, what: string): Promise<void> {
  const free = await freeDiskBytes(target);
  if (bytes <= free) return;
  throw new ResourceError(
    `${what} needs ${formatBytes(bytes)} on the disk of ${target}, ${formatBytes(free)} are free`,
    {
      code: 'disk-full',
      hint: 'free some space, or set FSB_HOME to a folder on a larger disk',
      facts: { requiredBytes: bytes, freeBytes: free, path: target },
    },
  );
}

/** A failed write as the error to throw: ResourceError for a full disk or quota, anything else as it is. */
export function writeError(error: unknown, target: string): unknown {
  if (!isSystemError(error, 'ENOSPC') && !isSystemError(error, 'EDQUOT')) return error;
  return new ResourceError(`the disk of ${target} is full`, {
    code: 'disk-full',
    hint: 'free some space, or set FSB_HOME to a folder on a larger disk',
    cause: error,
  });
}
