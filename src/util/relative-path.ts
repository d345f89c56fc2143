/**
 * Paths that come from outside (archives, hub listings, records on disk): always relative, with `/` between the
 * segments, and unable to leave the folder they are put into on any operating system.
 */

/** The longest file name that ext4, APFS and NTFS all hold, in UTF-8 bytes. */
const MAX_SEGMENT_BYTES = 255;
/** Linux' PATH_MAX; a checkpoint's longest path is below 100. */
const MAX_PATH_BYTES = 4096;
/** Checkpoints and data sets have up to four; checks which walk up a path stay cheap. */
const MAX_SEGMENTS = 64;

/** Why a path from outside must not be used, or undefined when it is safe to join to a folder. */
export function unsafePathReason(name: string): string | undefined {
  if (name === '') return 'an empty name';
  if (name.includes('\0')) return 'a NUL character in the name';
  if (/[\u0001-\u001f\u007f-\u009f]/.test(name)) return 'a control character in the name';
  if (/^[A-Za-z]:/.test(name)) return 'a drive letter';
  if (name.includes('\\')) return 'a backslash in the name';
  if (name.startsWith('/')) return 'an absolute path';
  if (name.includes(':')) return 'a colon in the name (an alternate stream on Windows)';
  if (Buffer.byteLength(name) > MAX_PATH_BYTES) return `a name longer than ${MAX_PATH_BYTES} bytes`;
  const segments = name.split('/');
  if (segments.length > MAX_SEGMENTS) return `a path of more than ${MAX_SEGMENTS} segments`;
  for (const segment of segments) {
    if (segment === '..') return 'a ".." segment';
    if (segment === '.' || segment === '') return 'an empty or "." segment';
    if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) return `a segment longer than ${MAX_SEGMENT_BYTES} bytes`;
  }
  return undefined;
}

/** The form under which two names are the same file on a disk that folds case and composes accents (APFS, NTFS). */
export function foldPath(name: string): string {
  return name.normalize('NFC').toLowerCase();
}

/** True for what operating systems leave beside people's files: `__MACOSX/`, `._x`, `.DS_Store`, `Thumbs.db`. */
export function isSystemLitter(name: string): boolean {
  const segments = name.split('/');
  const base = segments.at(-1) || segments.at(-2) || '';
  return segments[0] === '__MACOSX' || base.startsWith('._') || base === '.DS_Store' || base === 'Thumbs.db';
}
