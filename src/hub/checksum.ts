/** Size and hashes of bytes as they pass by, and their comparison with what a source promised. */
import { createHash, type Hash } from 'node:crypto';
import { IntegrityError } from '../util/errors.ts';

/** What is known about a file before it is read; everything known is compared. */
export interface ExpectedBytes {
  readonly sizeBytes?: number | undefined;
  /** 64 hex digits. */
  readonly sha256?: string | undefined;
  /** Git's blob id (40 hex digits), which hubs give for files outside Git LFS; needs `sizeBytes`. */
  readonly gitSha1?: string | undefined;
}

export interface FoundBytes {
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly gitSha1?: string | undefined;
}

export interface Checksum {
  update(chunk: Uint8Array): void;
  /** Goes on by itself from here. */
  copy(): Checksum;
  /** Once, at the end. */
  digest(): FoundBytes;
}

/** Starts hashing: sha256 always, Git's blob id when it is expected (sha1 of "blob <size>\0" and the bytes). */
export function createChecksum(expected: ExpectedBytes = {}): Checksum {
  const hasGit = expected.gitSha1 !== undefined && expected.sizeBytes !== undefined;
  return checksumOf(
    createHash('sha256'),
    hasGit ? createHash('sha1').update(`blob ${expected.sizeBytes}\0`) : undefined,
    0,
  );
}

/** Throws IntegrityError "size-mismatch" or "hash-mismatch"; `where` names the file and its source. */
export function compareChecksum(expected: ExpectedBytes, found: FoundBytes, where: string): void {
  if (expected.sizeBytes !== undefined && expected.sizeBytes !== found.sizeBytes)
    throw mismatch('size-mismatch', 'bytes', expected.sizeBytes, found.sizeBytes, where);
  if (expected.sha256 !== undefined && expected.sha256.toLowerCase() !== found.sha256)
    throw mismatch('hash-mismatch', 'sha256', expected.sha256, found.sha256, where);
  if (found.gitSha1 !== undefined && expected.gitSha1?.toLowerCase() !== found.gitSha1)
    throw mismatch('hash-mismatch', 'git blob', expected.gitSha1, found.gitSha1, where);
}

// --- internal ---

function checksumOf(sha256: Hash, git: Hash | undefined, bytesBefore: number): Checksum {
  let sizeBytes = bytesBefore;
  return {
    update(chunk) {
      sizeBytes += chunk.length;
      sha256.update(chunk);
      git?.update(chunk);
    },
    copy: () => checksumOf(sha256.copy(), git?.copy(), sizeBytes),
    digest: () => ({ sizeBytes, sha256: sha256.digest('hex'), ...(git && { gitSha1: git.digest('hex') }) }),
  };
}

function mismatch(code: string, what: string, expected: unknown, found: unknown, where: string): IntegrityError {
  return new IntegrityError(`${where}: expected ${what} ${expected}, found ${found}`, {
    code,
    hint: 'the bytes are not the published ones: get them again, or from another source',
    facts: { where, expected, found },
  });
}
