/** A model's sources, opened for the length of a pull: the one that lists the files, and those that help it. */
import { chooseSources, labelOf, type SourceContext } from './choose-source.ts';
import { createHttpClient, type HttpClient } from './http.ts';
import { DEFAULT_RETRY, DEFAULT_STALL, RateLimit, Slots } from './limits.ts';
import { mirrorOf } from './mirror.ts';
import { targetFor } from './present-checkpoint.ts';
import { openPrimary, type SelectedListing } from './primary-source.ts';
import type { PullOptions } from './pull-options.ts';
import type { Source, SourceFile, SourceSpec } from './sources/source.ts';
import type { Supplier } from './suppliers.ts';
import type { TransferOptions } from './transfer-options.ts';

export interface OpenSources {
  readonly primary: Source;
  readonly listing: SelectedListing;
  readonly mirrorsOf: (file: SourceFile) => readonly Promise<Supplier | undefined>[];
  /** Labels of sources that would help. */
  readonly mirrors: readonly string[];
  readonly passedOver: readonly { source: string; reason: string }[];
  readonly transfer: TransferOptions;
  /** Bytes read so far. */
  readonly received: () => number;
}

const DEFAULT_CONNECTIONS = 8;
/** Kinds that have the files one by one under their names. */
const FILE_KINDS: ReadonlySet<SourceSpec['kind']> = new Set(['huggingface', 'modelscope', 'http-folder']);

/** Opens the sources, closes them when `work` is done. Throws what chooseSources and openPrimary throw. */
export async function withSources<T>(
  options: PullOptions,
  isPlan: boolean,
  work: (opened: OpenSources) => Promise<T>,
): Promise<T> {
  const { name, sources, offline = false, onEvent } = options;
  const { specs, passedOver: unusable } = chooseSources(name, sources, offline);
  const passedOver: { source: string; reason: string }[] = [];
  const passOver = (source: string, reason: string): void => {
    passedOver.push({ source, reason });
    onEvent?.({ type: 'passed-over', source, reason });
  };
  for (const { source, reason } of unusable) passOver(source, reason.message);

  const http = createHttpClient({ offline, ...options.timeouts });
  let received = 0;
  const connections = options.connections ?? DEFAULT_CONNECTIONS;
  const transfer: TransferOptions = {
    connections,
    slots: new Slots(connections),
    rate: options.maxBytesPerSecond === undefined ? undefined : new RateLimit(options.maxBytesPerSecond),
    retry: { ...DEFAULT_RETRY, ...options.retry },
    stall: { ...DEFAULT_STALL, idleMs: options.timeouts?.idleTimeoutMs ?? DEFAULT_STALL.idleMs },
    pieceBytes: options.pieceBytes,
    onReceived: (bytes) => {
      received += bytes;
    },
  };
  const context = sourceContext(options, http, transfer, isPlan);
  const opened: Source[] = [];
  try {
    const { primary, spec, listing } = await openPrimary(specs, options, context, transfer, opened, passOver);
    const helpers = listing.hasHashes ? specs.filter((other) => other !== spec && FILE_KINDS.has(other.kind)) : [];
    const mirrors = helpers.map((helper) => mirrorOf(helper, context, transfer, opened, passOver));
    return await work({
      primary,
      listing,
      mirrors: helpers.map(labelOf),
      mirrorsOf: (file) => mirrors.map((mirror) => mirror(file)),
      passedOver,
      transfer,
      received: () => received,
    });
  } finally {
    for (const source of opened) await source.close();
    await http.close();
  }
}

// --- internal ---

function sourceContext(
  options: PullOptions,
  http: HttpClient,
  transfer: TransferOptions,
  isPlan: boolean,
): SourceContext {
  const { onEvent } = options;
  return {
    http,
    offline: options.offline ?? false,
    revision: options.revision,
    huggingFaceEndpoint: options.huggingFaceEndpoint,
    huggingFaceToken: options.huggingFaceToken,
    modelScopeEndpoint: options.modelScopeEndpoint,
    bundledRoot: options.bundledRoot,
    scratchFolder: `${targetFor(options, undefined)}.archive.partial`,
    transfer,
    onWait: ({ host, pid }) => onEvent?.({ type: 'waiting', host, pid }),
    onArchiveBytes: (bytes, sizeBytes) => onEvent?.({ type: 'progress', path: '', bytes, sizeBytes }),
    isPlan,
    signal: options.signal,
  };
}
