/**
 * A zip behind a URL, as the models were first published. From a server with ranges its directory is read and then only
 * the wanted entries; from another it is streamed once (./streamed-archive.ts). The zip itself is never stored.
 */
import { NetworkError, NotFoundError } from '../../util/errors.ts';
import { entryRange, unpackEntry, type ZipEntry } from '../../util/zip.ts';
import { type RandomAccess, readZipDirectory } from '../../util/zip-directory.ts';
import type { HttpClient } from '../http.ts';
import type { LeaseOptions } from '../lease.ts';
import { withRetries } from '../retries.ts';
import type { TransferOptions } from '../transfer-options.ts';
import { httpSource } from './http.ts';
import { entriesOfCheckpoint, skipBytes } from './local.ts';
import type { Source } from './source.ts';
import { openStreamedArchive } from './streamed-archive.ts';

export interface ArchiveOptions {
  readonly url: string;
  /** Where the entries of a streamed zip lie meanwhile; removed by `close`. On the disk of the target. */
  readonly scratchFolder: string;
  /** For the streamed zip, and for the directory's retries. */
  readonly transfer?: TransferOptions | undefined;
  /** Bytes of the archive that have come, when it is streamed. */
  readonly onBytes?: ((bytes: number, sizeBytes: number | undefined) => void) | undefined;
  /** Another process streams it. */
  readonly onWait?: LeaseOptions['onWait'];
  /** List the zip itself rather than stream it for its directory. @default false */
  readonly isPlan?: boolean | undefined;
}

/** The end of a zip with its directory: entries of a checkpoint fit into it many times over. */
const TAIL_BYTES = 128 << 10;

/** The directory is fetched by `list`, or the whole zip streamed. Errors are those of readZipDirectory and streamZip. */
export function archiveSource(options: ArchiveOptions, http: HttpClient): Source {
  const { url, scratchFolder, transfer = {}, onBytes, onWait, isPlan } = options;
  const remote = httpSource(url, http);
  const label = `archive:${remote.label}`;
  let zip: Promise<Source> | undefined;
  const open = async (signal: AbortSignal | undefined): Promise<Source> => {
    const access = await remoteAccess(remote, transfer, signal);
    if (access) return rangedZip(remote, label, access);
    if (isPlan) return remote;
    return openStreamedArchive({ remote, label, scratchFolder, transfer, onBytes, onWait }, signal);
  };
  const opened = (signal: AbortSignal | undefined): Promise<Source> => {
    zip ??= open(signal);
    return zip;
  };
  return {
    label,
    list: async (signal) => (await opened(signal)).list(signal),
    open: async (file, offset, signal) => (await opened(signal)).open(file, offset, signal),
    packed: async (file, signal) => (await opened(signal)).packed?.(file, signal),
    move: async (file, target) => (await opened(undefined)).move?.(file, target),
    async close() {
      await zip?.then((source) => source.close()).catch(() => undefined); // it was never opened
    },
  };
}

// --- internal ---

/** Reads anywhere in the remote file, its end from memory; undefined from a server without ranges. */
async function remoteAccess(
  remote: Source,
  { retry, onReceived }: TransferOptions,
  signal: AbortSignal | undefined,
): Promise<(RandomAccess & { readonly size: number }) | undefined> {
  const [file] = (await remote.list(signal)).files;
  const fetchRange = async (
    start: number,
    end: number,
  ): Promise<{ bytes: Buffer; total: number | undefined } | undefined> => {
    const parts: Uint8Array[] = [];
    let at = start; // what came before a connection broke is kept
    return withRetries(
      async () => {
        const { chunks, isPartial, totalBytes } = await remote.openRange!(file!, { start: at, end }, { signal });
        for await (const chunk of chunks) {
          if (!isPartial) return undefined;
          parts.push(chunk);
          at += chunk.length;
          onReceived?.(chunk.length);
        }
        return isPartial ? { bytes: Buffer.concat(parts), total: totalBytes } : undefined;
      },
      retry,
      signal,
      () => at,
    );
  };
  const size = (await fetchRange(0, 1))?.total;
  if (size === undefined) return undefined;
  const tailStart = Math.max(0, size - TAIL_BYTES);
  const tail = (await fetchRange(tailStart, size))?.bytes;
  if (!tail) return undefined;
  return {
    size,
    stat: async () => ({ size }),
    async read(buffer, offset, length, position) {
      const end = Math.min(size, position + length);
      if (position >= end) return { bytesRead: 0 };
      const bytes =
        position >= tailStart
          ? tail.subarray(position - tailStart, end - tailStart)
          : ((await fetchRange(position, end))?.bytes ?? Buffer.alloc(0));
      return { bytesRead: bytes.copy(buffer, offset) };
    },
  };
}

async function rangedZip(remote: Source, label: string, access: RandomAccess): Promise<Source> {
  const { entries: all, dataEnd } = await readZipDirectory(access, label);
  const { byPath, leftOut } = entriesOfCheckpoint(all, label);
  const entryOf = (name: string): ZipEntry => {
    const entry = byPath.get(name);
    if (entry) return entry;
    throw new NotFoundError(`${label}: there is no file ${JSON.stringify(name)}`, { code: 'file-not-found' });
  };
  const source: Source = {
    label,
    async list() {
      const files = [...byPath].map(([name, { sizeBytes, compressedBytes, method }]) => ({
        path: name,
        sizeBytes,
        ...(method === 'deflated' && { packedBytes: compressedBytes }),
      }));
      return { revision: undefined, files, leftOut };
    },
    async open(file, offset, signal) {
      const packed = await source.packed!(file, signal);
      const { chunks } = await packed!.source.openRange!(packed!.file, { start: 0 }, { signal });
      const unpacked = packed!.unpack(chunks as AsyncIterable<Buffer>);
      return { chunks: skipBytes(unpacked, offset), sizeBytes: entryOf(file.path).sizeBytes - offset };
    },
    async packed(file) {
      const entry = entryOf(file.path);
      const { start } = await entryRange(access, label, entry, dataEnd);
      return {
        source: {
          ...remote,
          label,
          // the entry is a range of the archive: its own size, not the archive's, is what the pieces are counted in
          async openRange(_file, range, options) {
            const end = range.end ?? entry.compressedBytes;
            const inArchive = { start: start + range.start, end: start + end };
            let answer = await remote.openRange!(_file, inArchive, options);
            // The whole instead of a range: the archive changed. Its new validator tells the transfer to start over.
            if (!answer.isPartial && options.validator !== undefined) {
              for await (const _ of answer.chunks) break;
              answer = await remote.openRange!(_file, inArchive, { signal: options.signal });
            }
            if (answer.isPartial) return { ...answer, start: range.start, totalBytes: undefined };
            for await (const _ of answer.chunks) break;
            throw new NetworkError(`${label}: the server sends ranges no more`, { code: 'no-range-support' });
          },
        },
        file: { path: file.path, sizeBytes: entry.compressedBytes },
        isStored: entry.method === 'stored',
        identity: `${entry.crc32} ${entry.sizeBytes} ${entry.compressedBytes}`,
        unpack: (packed) => unpackEntry(packed, entry, label),
      };
    },
    async close() {},
  };
  return source;
}
