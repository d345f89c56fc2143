/**
 * What a hub says of a file in the head of its own answer, before it redirects to where the bytes are. Names:
 * huggingface_hub, constants.py (HUGGINGFACE_HEADER_X_…) and file_download.py (get_hf_file_metadata).
 */
import { IntegrityError } from '../../util/errors.ts';
import type { ExpectedBytes } from '../checksum.ts';
import type { HttpResponse } from '../http.ts';

export interface HubHeaders extends ExpectedBytes {
  readonly commit?: string | undefined;
}

/** Empty for servers that say nothing of the kind. */
export function readHubHeaders(headers: HttpResponse['headers']): HubHeaders {
  const text = (name: string): string => String(headers[name] ?? '');
  const [, commit] = /^([0-9a-f]{40})$/.exec(text('x-repo-commit')) ?? [];
  // with its commit, an ETag is the hub's and no other server's
  const etag = text('x-linked-etag') || (commit ? text('etag') : '');
  const [, hash] = /^(?:W\/)?"?([0-9a-f]{40}|[0-9a-f]{64})"?$/.exec(etag) ?? [];
  const [, size] = /^(\d{1,15})$/.exec(text('x-linked-size')) ?? [];
  return {
    ...(commit && { commit }),
    ...(size && { sizeBytes: Number(size) }),
    ...(hash && (hash.length === 64 ? { sha256: hash } : { gitSha1: hash })),
  };
}

/** Throws IntegrityError when a hub announces another file than its listing did, before a byte of it is fetched. */
export function compareHubHeaders(expected: HubHeaders, found: HubHeaders, where: string): void {
  for (const name of ['commit', 'sizeBytes', 'sha256', 'gitSha1'] as const) {
    const [listed, announced] = [expected[name], found[name]];
    if (listed === undefined || announced === undefined || listed === announced) continue;
    throw new IntegrityError(`${where}: the listing says ${name} ${listed}, the file's own headers ${announced}`, {
      code: name === 'commit' ? 'revision-mismatch' : name === 'sizeBytes' ? 'size-mismatch' : 'hash-mismatch',
      hint: 'the repository is changing, or a mirror confuses files; try again, or pull from another source',
    });
  }
}
