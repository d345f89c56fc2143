/** Disk space, asked for before the work and named when it runs out. */
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { isSystemError, ResourceError, UsageError } from './errors.ts';
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

/** Why nothing can be written at a place, by the system's code. */
const NOT_WRITABLE: Readonly<Record<string, string>> = {
  EROFS: 'its disk is read-only',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
};

/**
 * A failed write as the error to throw: ResourceError for a full disk or quota, UsageError where `target` may not be
 * written, anything else as it is: a file elsewhere that may not be read, for one.
 */
export function writeError(error: unknown, target: string): unknown {
  const { code = '', path: place = target } = error as NodeJS.ErrnoException;
  const reason = NOT_WRITABLE[code];
  if (reason !== undefined && (code === 'EROFS' || isAlong(place, target)))
    return notWritableError(target, `${reason} (${code})`, error);
  if (!isSystemError(error, 'ENOSPC') && !isSystemError(error, 'EDQUOT')) return error;
  return new ResourceError(`the disk of ${target} is full`, {
    code: 'disk-full',
    hint: 'free some space, or set FSB_HOME to a folder on a larger disk',
    cause: error,
  });
}

/** The error for a place that cannot be written, and why not. */
export function notWritableError(target: string, reason: string, cause: unknown): UsageError {
  return new UsageError(`${target} cannot be written: ${reason}`, {
    code: 'not-writable',
    hint: 'set FSB_HOME to a folder that can be written (--out where the command has it)',
    cause,
  });
}

// --- internal ---

/** True when `place` is above, at, beside or below `target`. */
function isAlong(place: string, target: string): boolean {
  const folder = path.dirname(target);
  return isWithin(place, folder) || isWithin(folder, place);
}

function isWithin(inner: string, outer: string): boolean {
  const way = path.relative(outer, inner);
  return way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way);
}
