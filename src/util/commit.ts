/** The commit that this program was built from, for provenance. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isSystemError } from './errors.ts';

/** package.json lies two levels up, from src/util as from dist/util. */
const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));

/** 40 hex digits (or 64, in a SHA-256 repository). */
const HASH = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/**
 * The commit that a package's folder is at: where it is a checkout, that of its own .git (files as `git rev-parse HEAD`
 * reads them, gitrepository-layout(5)); in a packed package, what `npm run release:pack` wrote into dist/commit. undefined where
 * neither is there. Changes that were not committed do not show.
 */
export function readCommit(folder: string = PACKAGE): string | undefined {
  const repository = gitFolder(folder);
  if (repository === undefined) return asHash(read(path.join(folder, 'dist', 'commit')));
  const head = read(path.join(repository, 'HEAD'));
  const ref = head?.match(/^ref: (\S+)/)?.[1];
  if (ref === undefined) return asHash(head);
  // a linked worktree keeps its HEAD to itself and shares the refs
  const shared = read(path.join(repository, 'commondir'));
  const common = shared === undefined ? repository : path.resolve(repository, shared.trim());
  return asHash(read(path.join(repository, ref))) ?? asHash(read(path.join(common, ref))) ?? packedRef(common, ref);
}

// --- internal ---

/** `.git` is a folder, or in a linked worktree a file that names one. */
function gitFolder(folder: string): string | undefined {
  const dotGit = path.join(folder, '.git');
  if (read(path.join(dotGit, 'HEAD')) !== undefined) return dotGit;
  const named = read(dotGit)?.match(/^gitdir: (.+)/)?.[1];
  return named === undefined ? undefined : path.resolve(folder, named.trim());
}

function packedRef(repository: string, ref: string): string | undefined {
  const line = read(path.join(repository, 'packed-refs'))
    ?.split('\n')
    .find((entry) => entry.endsWith(` ${ref}`));
  return asHash(line?.split(' ')[0]);
}

function asHash(text: string | undefined): string | undefined {
  const hash = text?.trim();
  return hash !== undefined && HASH.test(hash) ? hash : undefined;
}

/** The file's text; undefined where it is no file. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR') || isSystemError(error, 'EISDIR'))
      return undefined;
    throw error;
  }
}
