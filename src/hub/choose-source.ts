/** From the places that are written down for a model to the one that is read. */
import os from 'node:os';
import path from 'node:path';
import {
  type FsbError,
  NetworkError,
  NotFoundError,
  RefusedError,
  UnsupportedError,
  UsageError,
} from '../util/errors.ts';
import type { HttpClient } from './http.ts';
import { expiredUrlError, redactUrl } from './signed-url.ts';
import { archiveSource } from './sources/archive.ts';
import { bundledSource } from './sources/bundled.ts';
import { httpSource } from './sources/http.ts';
import { huggingFaceSource } from './sources/huggingface.ts';
import { localSource } from './sources/local.ts';
import type { Source, SourceSpec } from './sources/source.ts';

export interface SourceContext {
  readonly http: HttpClient;
  readonly offline: boolean;
  /** Overrides the revision of a hub source. */
  readonly revision: string | undefined;
  readonly huggingFaceEndpoint: string | undefined;
  readonly huggingFaceToken: string | undefined;
  /** Folder that paths of bundled sources are relative to; undefined is the installed package. */
  readonly bundledRoot: string | undefined;
  /** For archives on their way. */
  readonly scratchFolder: string;
  readonly onArchiveBytes: ((bytes: number, sizeBytes: number | undefined) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface ChosenSource {
  readonly spec: SourceSpec;
  /** Places before it in the list, and why they were passed over. */
  readonly passedOver: readonly { readonly source: string; readonly reason: FsbError }[];
}

type Entry<K extends SourceSpec['kind'], S = Extract<SourceSpec, { kind: K }>> = {
  readonly label: (spec: S) => string;
  /** Why it cannot be used at all, known before connecting. */
  readonly unusable: (spec: S, offline: boolean) => FsbError | undefined;
  readonly open: (spec: S, context: SourceContext) => Source | Promise<Source>;
};

const KINDS: { readonly [K in SourceSpec['kind']]: Entry<K> } = {
  bundled: {
    label: (spec) => `bundled:${spec.path}`,
    unusable: () => undefined,
    open: (spec, context) => bundledSource(spec, context.bundledRoot, context.signal),
  },
  local: {
    label: (spec) => `local:${spec.path}`,
    unusable: () => undefined,
    open: (spec) => localSource(spec.path),
  },
  huggingface: {
    label: (spec) => `huggingface:${spec.repo}`,
    unusable: (spec, offline) => offlineError(offline, `huggingface:${spec.repo}`),
    open: (spec, context) =>
      huggingFaceSource(
        {
          repo: spec.repo,
          revision: context.revision ?? spec.revision,
          endpoint: context.huggingFaceEndpoint,
          token: context.huggingFaceToken,
        },
        context.http,
      ),
  },
  modelscope: {
    label: (spec) => `modelscope:${spec.repo}`,
    unusable: (spec) =>
      new UnsupportedError(`modelscope:${spec.repo}: this version of fsb does not speak ModelScope's protocol`, {
        code: 'unsupported-source',
        hint: 'download it with ModelScope\'s own tool and run "fsb import DIR --as NAME"',
      }),
    open: (spec) => {
      throw KINDS.modelscope.unusable(spec, false);
    },
  },
  archive: {
    label: (spec) => `archive:${redactUrl(spec.url)}`,
    unusable: (spec, offline) =>
      withdrawnError(spec) ?? expiredUrlError(spec.url) ?? offlineError(offline, redactUrl(spec.url)),
    open: ({ url }, { http, scratchFolder, onArchiveBytes }) =>
      archiveSource({ url, scratchFolder, onBytes: onArchiveBytes }, http),
  },
  http: {
    label: (spec) => redactUrl(spec.url),
    unusable: (spec, offline) => expiredUrlError(spec.url) ?? offlineError(offline, redactUrl(spec.url)),
    open: (spec, { http }) => httpSource(spec.url, http),
  },
};

/**
 * The first place that can be used. When none can, throws the reason that a person can do most about: being offline
 * before an expired link before an unknown protocol. `name` is the model's, for messages.
 */
export function chooseSource(name: string, specs: readonly SourceSpec[], offline: boolean): ChosenSource {
  const passedOver: { source: string; reason: FsbError }[] = [];
  for (const spec of specs) {
    const reason = entryOf(spec).unusable(spec, offline);
    if (!reason) return { spec, passedOver };
    passedOver.push({ source: labelOf(spec), reason });
  }
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

/** What a person may write in place of a registry name: a URL, a path, or a hub id. */
export function parseLocation(location: string): SourceSpec {
  if (/^https?:\/\//i.test(location)) {
    if (!URL.canParse(location)) throw new UsageError(`${redactUrl(location)} is not a URL`, { code: 'bad-url' });
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
