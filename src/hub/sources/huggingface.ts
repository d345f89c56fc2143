/**
 * A model repository on the Hugging Face hub, or on anything that speaks its protocol (HF_ENDPOINT).
 * Listing: GET /api/models/<repo>/revision/<revision>?blobs=true; file: GET /<repo>/resolve/<commit>/<path>, whose headers
 * say the hash that a listing left out, and are compared with the one it gave.
 */
import { z } from 'zod';
import { IntegrityError, UsageError } from '../../util/errors.ts';
import { parseWith } from '../../util/json.ts';
import { unsafePathReason } from '../../util/relative-path.ts';
import type { HostToken, HttpClient, HttpResponse } from '../http.ts';
import { redactUrl } from '../signed-url.ts';
import { openFrom, openRangeOf } from './http.ts';
import { compareHubHeaders, readHubHeaders } from './hub-headers.ts';
import { getJson } from './listing.ts';
import type { Source, SourceFile } from './source.ts';

export interface HuggingFaceOptions {
  readonly repo: string;
  /** Branch, tag or commit. @default "main" */
  readonly revision?: string | undefined;
  /** @default "https://huggingface.co" */
  readonly endpoint?: string | undefined;
  /** Not the hub that the registry means: its host is part of the label. @default false */
  readonly isMirror?: boolean | undefined;
  /** Sent to the endpoint's origin only. */
  readonly token?: string | undefined;
}

const MAX_FILES = 10_000;
const COMMIT = /^[0-9a-f]{40}$/;

const listingSchema = z.object({
  sha: z.string().regex(COMMIT),
  siblings: z
    .array(
      z.object({
        rfilename: z.string(),
        size: z.number().int().nonnegative().nullish(),
        blobId: z.string().regex(COMMIT).nullish(),
        lfs: z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.number().int().nonnegative() }).nullish(),
      }),
    )
    .max(MAX_FILES),
});

/** Throws UsageError when `repo` is no repository name. Files are read at the commit which the listing named. */
export function huggingFaceSource(options: HuggingFaceOptions, http: HttpClient): Source {
  const { repo, revision = 'main', token } = options;
  const endpoint = (options.endpoint ?? 'https://huggingface.co').replace(/\/+$/, '');
  if (!/^(?!\.)[\w.-]+(\/(?!\.)[\w.-]+)?$/.test(repo))
    throw new UsageError(`expected a repository like IDEA-CCNL/Wenzhong-GPT2-110M, found ${JSON.stringify(repo)}`, {
      code: 'bad-repository-name',
    });
  const hostToken: HostToken | undefined = token ? { value: token, origin: new URL(endpoint).origin } : undefined;
  const isMirror = options.isMirror ?? false;
  const label = `huggingface:${repo}${isMirror ? `@${new URL(endpoint).host}` : ''}`;
  let commit = revision;
  const urlOf = (file: SourceFile): string =>
    `${endpoint}/${repo}/resolve/${encodeURIComponent(commit)}/${file.path.split('/').map(encodeURIComponent).join('/')}`;
  const compared = (file: SourceFile): HttpClient => ({
    ...http,
    async get(url, options) {
      const answer = await http.get(url, options);
      const expected = { ...file, commit: COMMIT.test(commit) ? commit : undefined };
      try {
        compareHubHeaders(expected, readHubHeaders(answer.firstHeaders), `${label}: ${file.path}`);
      } catch (error) {
        await abandon(answer);
        throw error;
      }
      return answer;
    },
  });
  /** The file with the hash that its own headers give, for a listing that has none. */
  const described = async (file: SourceFile, signal: AbortSignal | undefined): Promise<SourceFile> => {
    if (file.sha256 !== undefined || file.gitSha1 !== undefined || file.sizeBytes === 0) return file;
    try {
      const answer = await compared(file).get(urlOf(file), { range: { start: 0, end: 1 }, token: hostToken, signal });
      await abandon(answer);
      const { commit: _, ...known } = readHubHeaders(answer.firstHeaders);
      return { ...file, ...known };
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof IntegrityError) throw error;
      return file; // that it cannot be had matters when it is wanted, and is said then
    }
  };
  return {
    label,
    async list(signal) {
      const url = `${endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}?blobs=true`;
      const answer = await getJson(http, url, { token: hostToken, signal });
      const { sha, siblings } = parseWith(listingSchema, answer, redactUrl(url));
      if (COMMIT.test(revision) && sha !== revision)
        throw new IntegrityError(`${label}: asked for commit ${revision}, the hub lists ${sha}`, {
          code: 'revision-mismatch',
        });
      commit = sha;
      const files: SourceFile[] = [];
      for (const sibling of siblings) files.push(await described(fileOf(sibling, label), signal));
      return { revision: sha, files };
    },
    open: (file, offset, signal) => openFrom(compared(file), urlOf(file), offset, { token: hostToken, signal }),
    openRange: (file, range, { validator, signal }) =>
      openRangeOf(compared(file), urlOf(file), range, { ifRange: validator, token: hostToken, signal }),
    async close() {},
  };
}

// --- internal ---

async function abandon({ body }: HttpResponse): Promise<void> {
  for await (const _ of body) break; // ends the connection, unless it is all here
}

function fileOf(sibling: z.infer<typeof listingSchema>['siblings'][number], label: string): SourceFile {
  const { rfilename: path, lfs, size, blobId } = sibling;
  const reason = unsafePathReason(path);
  if (reason)
    throw new IntegrityError(`${label}: lists a file ${JSON.stringify(path)}: ${reason}`, { code: 'unsafe-path' });
  if (lfs) return { path, sizeBytes: lfs.size, sha256: lfs.sha256 };
  return { path, ...(size != null && { sizeBytes: size }), ...(blobId != null && { gitSha1: blobId }) };
}
