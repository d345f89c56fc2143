/**
 * A model repository on ModelScope (modelscope.cn, or FSB_MODELSCOPE_ENDPOINT).
 * Listing: GET /api/v1/models/<repo>/repo/files?Revision=<revision>&Recursive=true, with a Sha256 for every file;
 * file: GET /api/v1/models/<repo>/repo?Revision=<revision>&FilePath=<path>. As modelscope/hub/api.py does.
 */
import { z } from 'zod';
import { IntegrityError, NotFoundError, UsageError } from '../../util/errors.ts';
import { parseWith } from '../../util/json.ts';
import { unsafePathReason } from '../../util/relative-path.ts';
import type { HttpClient } from '../http.ts';
import { redactUrl } from '../signed-url.ts';
import { openFrom, openRangeOf } from './http.ts';
import { getJson } from './listing.ts';
import type { Source, SourceFile } from './source.ts';

export interface ModelScopeOptions {
  readonly repo: string;
  /** Branch or tag. @default "master" */
  readonly revision?: string | undefined;
  /** @default "https://modelscope.cn" */
  readonly endpoint?: string | undefined;
}

const MAX_FILES = 10_000;

const answerSchema = z.object({
  Code: z.number().optional(),
  Success: z.boolean().optional(),
  Message: z.string().nullish(),
  Data: z
    .object({
      Files: z
        .array(
          z.object({
            Path: z.string(),
            Type: z.string(),
            Size: z.number().int().nonnegative().nullish(),
            Sha256: z
              .string()
              .regex(/^([0-9a-fA-F]{64})?$/)
              .nullish(),
          }),
        )
        .max(MAX_FILES)
        .nullish(),
    })
    .nullish(),
});

/** Throws UsageError when `repo` is no repository name. Its commits are not told, so the listing has no revision. */
export function modelScopeSource(options: ModelScopeOptions, http: HttpClient): Source {
  const { repo, revision = 'master' } = options;
  const endpoint = (options.endpoint ?? 'https://modelscope.cn').replace(/\/+$/, '');
  if (!/^(?!\.)[\w.-]+\/(?!\.)[\w.-]+$/.test(repo))
    throw new UsageError(`expected a repository like Fengshenbang/Erlangshen-MegatronBert-1.3B, found "${repo}"`, {
      code: 'bad-repository-name',
    });
  const label = `modelscope:${repo}`;
  const base = `${endpoint}/api/v1/models/${repo}`;
  const urlOf = (file: SourceFile): string =>
    `${base}/repo?${new URLSearchParams({ Revision: revision, FilePath: file.path })}`;
  return {
    label,
    async list(signal) {
      const url = `${base}/repo/files?${new URLSearchParams({ Revision: revision, Recursive: 'true' })}`;
      const answer = parseWith(answerSchema, await getJson(http, url, { signal }), redactUrl(url));
      const files = answer.Data?.Files;
      if (!files || answer.Success === false)
        throw new NotFoundError(`${label}: ${answer.Message ?? 'the listing has no files'} (code ${answer.Code})`, {
          code: 'repository-not-found',
          hint: 'check the name and the revision',
        });
      return { revision: undefined, files: files.filter((file) => file.Type === 'blob').map(fileOf) };
    },
    open: (file, offset, signal) => openFrom(http, urlOf(file), offset, { signal }),
    openRange: (file, range, { validator, signal }) =>
      openRangeOf(http, urlOf(file), range, { ifRange: validator, signal }),
    async close() {},
  };

  function fileOf({
    Path: path,
    Size: sizeBytes,
    Sha256: sha256,
  }: {
    Path: string;
    Size?: number | null | undefined;
    Sha256?: string | null | undefined;
  }): SourceFile {
    const reason = unsafePathReason(path);
    if (reason)
      throw new IntegrityError(`${label}: lists a file ${JSON.stringify(path)}: ${reason}`, { code: 'unsafe-path' });
    return { path, ...(sizeBytes != null && { sizeBytes }), ...(sha256 && { sha256: sha256.toLowerCase() }) };
  }
}
