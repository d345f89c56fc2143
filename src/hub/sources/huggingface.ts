/**
 * A model repository on the Hugging Face hub, or on anything that speaks its protocol (HF_ENDPOINT).
 * Listing: GET /api/models/<repo>/revision/<revision>?blobs=true; file: GET /<repo>/resolve/<commit>/<path>.
 */
import { z } from 'zod';
import { IntegrityError, messageOf, NetworkError, UsageError } from '../../util/errors.ts';
import { parseWith } from '../../util/json.ts';
import { unsafePathReason } from '../../util/relative-path.ts';
import type { HostToken, HttpClient } from '../http.ts';
import { redactUrl } from '../signed-url.ts';
import type { Source, SourceFile } from './source.ts';

export interface HuggingFaceOptions {
  readonly repo: string;
  /** Branch, tag or commit. @default "main" */
  readonly revision?: string | undefined;
  /** @default "https://huggingface.co" */
  readonly endpoint?: string | undefined;
  /** Sent to the endpoint's origin only. */
  readonly token?: string | undefined;
}

/** The largest repositories list a few thousand files of some 300 bytes each. */
const MAX_LISTING_BYTES = 16 << 20;
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
  const label = `huggingface:${repo}`;
  let commit = revision;
  return {
    label,
    async list(signal) {
      const url = `${endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}?blobs=true`;
      const answer = await getJson(http, url, hostToken, signal);
      const { sha, siblings } = parseWith(listingSchema, answer, redactUrl(url));
      if (COMMIT.test(revision) && sha !== revision)
        throw new IntegrityError(`${label}: asked for commit ${revision}, the hub lists ${sha}`, {
          code: 'revision-mismatch',
        });
      commit = sha;
      return { revision: sha, files: siblings.map((sibling) => fileOf(sibling, label)) };
    },
    async open(file, offset, signal) {
      const filePath = file.path.split('/').map(encodeURIComponent).join('/');
      const url = `${endpoint}/${repo}/resolve/${encodeURIComponent(commit)}/${filePath}`;
      const { body, sizeBytes } = await http.get(url, { offset, token: hostToken, signal });
      return { chunks: body, sizeBytes };
    },
    async close() {},
  };
}

// --- internal ---

function fileOf(sibling: z.infer<typeof listingSchema>['siblings'][number], label: string): SourceFile {
  const { rfilename: path, lfs, size, blobId } = sibling;
  const reason = unsafePathReason(path);
  if (reason)
    throw new IntegrityError(`${label}: lists a file ${JSON.stringify(path)}: ${reason}`, { code: 'unsafe-path' });
  if (lfs) return { path, sizeBytes: lfs.size, sha256: lfs.sha256 };
  return { path, ...(size != null && { sizeBytes: size }), ...(blobId != null && { gitSha1: blobId }) };
}

async function getJson(
  http: HttpClient,
  url: string,
  token: HostToken | undefined,
  signal?: AbortSignal,
): Promise<unknown> {
  const { body } = await http.get(url, { accept: 'application/json', token, signal });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_LISTING_BYTES)
      throw new IntegrityError(`${redactUrl(url)}: a listing of more than ${MAX_LISTING_BYTES} bytes`, {
        code: 'listing-too-large',
      });
  }
  const text = Buffer.concat(chunks).toString('utf8');
  try {
    return JSON.parse(text);
  } catch (error) {
    const start = JSON.stringify(text.slice(0, 60));
    throw new NetworkError(`${redactUrl(url)}: expected JSON, got ${start} (${messageOf(error)})`, {
      code: 'unexpected-answer',
      hint: 'a login page or proxy may be answering in place of the hub; check the network and HF_ENDPOINT',
    });
  }
}
