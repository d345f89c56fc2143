/**
 * A zip from a server without ranges: read once from its beginning to its end, its entries unpacked to numbered files
 * as they pass. They get their names when the directory at the end has confirmed them; the zip itself is never stored.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { requireDiskSpace, writeError } from '../../util/disk.ts';
import { NotFoundError } from '../../util/errors.ts';
import { syncFile } from '../../util/files.ts';
import type { ZipEntry } from '../../util/zip.ts';
import { streamZip } from '../../util/zip-stream.ts';
import { createChecksum, type FoundBytes } from '../checksum.ts';
import { acquireLease, type LeaseOptions } from '../lease.ts';
import { withRetries } from '../retries.ts';
import type { TransferOptions } from '../transfer-options.ts';
import { entriesOfCheckpoint } from './local.ts';
import type { Source, SourceFile } from './source.ts';

export interface StreamedArchiveOptions {
  readonly remote: Source;
  readonly label: string;
  /** Where the entries lie meanwhile; removed by `close`. */
  readonly scratchFolder: string;
  readonly transfer: TransferOptions;
  /** Bytes of the archive that have come. */
  readonly onBytes: ((bytes: number, sizeBytes: number | undefined) => void) | undefined;
  /** Another process streams the same. */
  readonly onWait: LeaseOptions['onWait'];
}

/** Streams the zip; a connection that breaks costs all of it. Throws what streamZip and checkpointRoot throw. */
export async function openStreamedArchive(
  options: StreamedArchiveOptions,
  signal: AbortSignal | undefined,
): Promise<Source> {
  const { label, scratchFolder, transfer } = options;
  const folder = path.join(scratchFolder, 'entries');
  const lease = await acquireLease(path.join(scratchFolder, 'lease'), { signal, onWait: options.onWait });
  const close = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true });
    await lease.release();
    await rmdir(scratchFolder).catch(() => undefined); // another process is already there
  };
  try {
    const either = signal ? AbortSignal.any([signal, lease.lost]) : lease.lost;
    const { entries, found } = await withRetries(() => unpackPassing(options, folder, either), transfer.retry, either);
    const { byPath, leftOut } = entriesOfCheckpoint(entries, label);
    const entryOf = (file: SourceFile): ZipEntry => {
      const entry = byPath.get(file.path);
      if (entry) return entry;
      throw new NotFoundError(`${label}: there is no file ${JSON.stringify(file.path)}`, { code: 'file-not-found' });
    };
    return {
      label,
      async list() {
        const files = [...byPath].map(([name, { sizeBytes }]) => ({ path: name, sizeBytes }));
        return { revision: undefined, files, leftOut, isHere: true };
      },
      async open(file, offset) {
        const { sizeBytes } = entryOf(file);
        const chunks = createReadStream(entryFile(folder, entryOf(file).offset), { start: offset });
        return { chunks: chunks as AsyncIterable<Buffer>, sizeBytes: sizeBytes - offset };
      },
      async move(file, target) {
        const { offset } = entryOf(file);
        await rename(entryFile(folder, offset), target);
        return found.get(offset)!;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

// --- internal ---

/** Everything in it, unpacked; what each entry was found to be, by its offset. */
async function unpackPassing(
  { remote, label, transfer: { rate, onReceived }, onBytes }: StreamedArchiveOptions,
  folder: string,
  signal: AbortSignal,
): Promise<{ entries: readonly ZipEntry[]; found: ReadonlyMap<number, FoundBytes> }> {
  await rm(folder, { recursive: true, force: true }); // of a run that was killed, or a connection that broke
  await mkdir(folder, { recursive: true });
  const [file] = (await remote.list(signal)).files;
  const { chunks, sizeBytes } = await remote.open(file!, 0, signal);
  const found = new Map<number, FoundBytes>();
  let received = 0;
  async function* arriving(): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      received += chunk.length;
      await rate?.take(chunk.length, signal);
      onReceived?.(chunk.length);
      onBytes?.(received, sizeBytes);
      yield chunk;
    }
  }
  try {
    await requireDiskSpace(folder, sizeBytes ?? 0, `the content of ${label}`);
    const { entries } = await streamZip(arriving(), label, async ({ offset, bytes }) => {
      const checksum = createChecksum();
      async function* hashed(): AsyncGenerator<Buffer> {
        for await (const chunk of bytes) {
          checksum.update(chunk);
          yield chunk;
        }
      }
      const target = entryFile(folder, offset);
      await pipeline(hashed(), createWriteStream(target, { flags: 'wx' }), { signal });
      await syncFile(target);
      found.set(offset, checksum.digest());
    });
    return { entries, found };
  } catch (error) {
    signal.throwIfAborted();
    throw writeError(error, folder);
  }
}

const entryFile = (folder: string, offset: number): string => path.join(folder, String(offset));
