/** From the places that are written down for a model to the one that is read. */
import os from 'node:os';
import path from 'node:path';
import { type FsbError, NetworkError, NotFoundError, RefusedError, UsageError } from '../util/errors.ts';
import type { HttpClient } from './http.ts';
import type { LeaseOptions } from './lease.ts';
import { expiredUrlError, redactUrl } from './signed-url.ts';
import { httpSource } from './sources/http.ts';
import { httpFolderSource } from './sources/http-folder.ts';
import { huggingFaceSource } from './sources/huggingface.ts';
import { modelScopeSource } from './sources/modelscope.ts';
import type { Source, SourceSpec } from './sources/source.ts';
import type { TransferOptions } from './transfer-options.ts';

export interface SourceContext {
  readonly http: HttpClient;
  readonly offline: boolean;
  /** Overrides the revision of a hub source. */
  readonly revision: string | undefined;
  readonly huggingFaceEndpoint: string | undefined;
  readonly huggingFaceToken: string | undefined;
  readonly modelScopeEndpoint: string | undefined;
  /** Folder that paths of bundled sources are relative to; undefined is the installed package. */
  readonly bundledRoot: string | undefined;
  /** For archives on their way. */
  readonly scratchFolder: string;
  /** For archives. */
  readonly transfer: TransferOptions;
  readonly onArchiveBytes: ((bytes: number, sizeBytes: number | undefined) => void) | undefined;
  readonly onWait: LeaseOptions['onWait'];
  /** List only: an archive must not be fetched for it. */
  readonly isPlan: boolean;
  readonly signal: AbortSignal | undefined;
}

export interface ChosenSources {
  /** What can be used, best first; never empty. */
  readonly specs: readonly SourceSpec[];
  /** What cannot, and why. */
  readonly passedOver: readonly { readonly source: string; readonly reason: FsbError }[];
}

type Entry<K extends SourceSpec['kind'], S = Extract<SourceSpec, { kind: K }>> = {
  readonly label: (spec: S) => string;
  /** Why it cannot be used at all, known before connecting. */
  readonly unusable: (spec: S, offline: boolean) => FsbError | undefined;
  readonly open: (spec: S, context: SourceContext) => Source | Promise<Source>;
};

const COMMIT = /^[0-9a-f]{40}$/;

/** What reads zips is loaded when there is one. */
const KINDS: { readonly [K in SourceSpec['kind']]: Entry<K> } = {
  bundled: {
    label: (spec) => `bundled:${spec.path}`,
    unusable: () => undefined,
    open: async (spec, context) =>
      (await import('./sources/bundled.ts')).bundledSource(spec, context.bundledRoot, context.signal),
  },
  local: {
    label: (spec) => `local:${spec.path}`,
    unusable: () => undefined,
    open: async (spec) => (await import('./sources/local.ts')).localSource(spec.path),
  },
  huggingface: {
    label: (spec) => `huggingface:${spec.repo}${spec.endpoint ? `@${new URL(spec.endpoint).host}` : ''}`,
    unusable: (spec, offline) => offlineError(offline, `huggingface:${spec.repo}`),
    open: ({ repo, revision, endpoint }, context) =>
      huggingFaceSource(
        {
          repo,
          revision: context.revision ?? revision,
          endpoint: endpoint ?? context.huggingFaceEndpoint,
          isMirror: endpoint !== undefined,
          token: endpoint === undefined ? context.huggingFaceToken : undefined,
        },
        context.http,
      ),
  },
  modelscope: {
    label: (spec) => `modelscope:${spec.repo}`,
    unusable: (spec, offline) => offlineError(offline, `modelscope:${spec.repo}`),
    open: ({ repo }, { http, revision, modelScopeEndpoint }) =>
      modelScopeSource(
        {
          repo,
          endpoint: modelScopeEndpoint,
          // commits are Hugging Face's, and its "main" is called "master" here
          revision: revision === undefined || revision === 'main' || COMMIT.test(revision) ? undefined : revision,
        },
        http,
      ),
  },
  archive: {
    label: (spec) => `archive:${redactUrl(spec.url)}`,
    unusable: (spec, offline) =>
      withdrawnError(spec) ?? expiredUrlError(spec.url) ?? offlineError(offline, redactUrl(spec.url)),
    open: async ({ url }, { http, scratchFolder, transfer, onArchiveBytes, onWait, isPlan }) => {
      const { archiveSource } = await import('./sources/archive.ts');
      return archiveSource({ url, scratchFolder, transfer, onBytes: onArchiveBytes, onWait, isPlan }, http);
    },
  },
  http: {
    label: (spec) => redactUrl(spec.url),
    unusable: (spec, offline) => expiredUrlError(spec.url) ?? offlineError(offline, redactUrl(spec.url)),
    open: (spec, { http }) => httpSource(spec.url, http),
  },
  'http-folder': {
    label: (spec) => redactUrl(spec.url),
    unusable: (spec, offline) => expiredUrlError(spec.url) ?? offlineError(offline, redactUrl(spec.url)),
    open: (spec, { http }) => httpFolderSource(spec.url, http),
  },
};

/**
 * The places that can be used. When there is none, throws the reason that a person can do most about: being offline
 * before an expired link. `name` is the model's, for messages.
 */
export function chooseSources(name: string, specs: readonly SourceSpec[], offline: boolean): ChosenSources {
  const passedOver: { source: string; reason: FsbError }[] = [];
  const usable = specs.filter((spec) => {
    const reason = entryOf(spec).unusable(spec, offline);
    if (reason) passedOver.push({ source: labelOf(spec), reason });
    return !reason;
  });
  if (usable.length > 0) return { specs: usable, passedOver };
  const reasons = passedOver.map(({ reason }) => reason);
  const telling =
    [NetworkError, RefusedError].map((type) => reasons.find((r) => r instanceof type)).find(Boolean) ?? reasons[0];
  if (telling) throw telling;
  throw new NotFoundError(`no place is known from which ${name} could be pulled`, {
    code: 'no-source',
    hint: 'import it from a zip or folder (fsb import ZIP --as NAME)',
  });
}

export async function openSource(spec: SourceSpec, context: SourceContext): Promise<Source> {
  return entryOf(spec).open(spec, context);
}

/** False where a revision means nothing. Commits are Hugging Face's: ModelScope has its own and does not tell them. */
export function hasRevision({ kind }: SourceSpec, revision: string): boolean {
  return kind === 'huggingface' || (kind === 'modelscope' && !COMMIT.test(revision));
}

/** What a person may write in place of a registry name: a URL, a path, or a hub id. */
export function parseLocation(location: string): SourceSpec {
  if (/^https?:\/\//i.test(location)) {
    if (!URL.canParse(location)) throw new UsageError(`${redactUrl(location)} is not a URL`, { code: 'bad-url' });
    if (location.endsWith('/')) return { kind: 'http-folder', url: location };
    const isZip = new URL(location).pathname.toLowerCase().endsWith('.zip');
    return isZip ? { kind: 'archive', url: location } : { kind: 'http', url: location };
  }
  if (location.startsWith('~/')) return { kind: 'local', path: path.join(os.homedir(), location.slice(2)) };
  if (/^file:|^\.{0,2}[\\/]|^\.{1,2}$|^[A-Za-z]:[\\/]|\.zip$/i.test(location)) return { kind: 'local', path: location };
  if (/^[\w.-]+\/[\w.-]+$/.test(location)) return { kind: 'huggingface', repo: location };
  throw new UsageError(`${JSON.stringify(location)}: expected a URL, a path or a hub id such as owner/name`, {
    code: 'bad-location',
  });
}

export function labelOf(spec: SourceSpec): string {
  return entryOf(spec).label(spec);
}

// --- internal ---

/** The table's row for this kind; the cast says what the type system cannot: row and spec have the same kind. */
function entryOf(spec: SourceSpec): Entry<SourceSpec['kind'], SourceSpec> {
  return KINDS[spec.kind] as unknown as Entry<SourceSpec['kind'], SourceSpec>;
}

function offlineError(offline: boolean, what: string): NetworkError | undefined {
  if (!offline) return undefined;
  return new NetworkError(`${what} is needed, is not on this machine, and fsb is offline`, {
    code: 'offline',
    hint: 'unset FSB_OFFLINE and HF_HUB_OFFLINE, or import the files from a disk (fsb import)',
    facts: { missing: [what] },
  });
}

function withdrawnError({ url, expired }: Extract<SourceSpec, { kind: 'archive' }>): RefusedError | undefined {
  if (!expired) return undefined;
  return new RefusedError(`the published download link ${redactUrl(url)} expired on ${expired}`, {
    code: 'expired-url',
    hint: 'pull from another source, or import the zip if you still have it (fsb import ZIP --as NAME)',
    facts: { url: redactUrl(url), expiredAt: expired },
  });
}
