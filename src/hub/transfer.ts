/** One file from a source to its place, hashed, compared and synced: over many connections where the source can. */
import { constants, createReadStream, createWriteStream } from 'node:fs';
import { copyFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { requireDiskSpace, writeError } from '../util/disk.ts';
import { FsbError, IntegrityError, NetworkError } from '../util/errors.ts';
import { sha256OfFile, syncFile } from '../util/files.ts';
import { type Checksum, compareChecksum, createChecksum, type FoundBytes } from './checksum.ts';
import {
  backoffMs,
  DEFAULT_RETRY,
  DEFAULT_STALL,
  type RateLimit,
  type RetryPolicy,
  Slots,
  type StallPolicy,
} from './limits.ts';
import { transferRanged } from './ranged-transfer.ts';
import type { PackedFile, Source, SourceFile } from './sources/source.ts';
import type { Supplier } from './suppliers.ts';

export interface TransferOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes of the file that are here (taken up again or new), and of how many as far as known. */
  readonly onHeld?: ((bytes: number, sizeBytes: number | undefined) => void) | undefined;
  /** Called with the number of further bytes that were read from a source. */
  readonly onReceived?: ((bytes: number) => void) | undefined;
  /** A place is used no longer for this file. */
  readonly onDropped?: ((source: string, reason: FsbError) => void) | undefined;
  /**
   * Other places that should have the very same file, asked for when the file is large or its source fails. Used where
   * the hash is known, since nothing else proves it.
   */
  readonly mirrors?: (() => readonly Promise<Supplier | undefined>[]) | undefined;
  /** Where journals of unfinished files are. @default beside the file */
  readonly journalFolder?: string | undefined;
  /** Connections for one file. @default 4 */
  readonly connections?: number | undefined;
  /** Connections of all files together. @default as many as `connections` */
  readonly slots?: Slots | undefined;
  readonly rate?: RateLimit | undefined;
  readonly retry?: RetryPolicy | undefined;
  readonly stall?: StallPolicy | undefined;
  /** For tests. @default 4 MiB */
  readonly pieceBytes?: number | undefined;
}

export interface TransferredFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** 64 hex digits, of the bytes as they were written. */
  readonly sha256: string;
  /** Label of the source; of all of them, with " + " between, when there were several. */
  readonly source: string;
}

/** What was unpacked out of an archive, kept beside the journals. */
const doneSchema = z.object({ identity: z.string(), sizeBytes: z.number(), sha256: z.string() });

export const DEFAULT_CONNECTIONS = 4;
const READ_CHUNK_BYTES = 1 << 20;
/** Where no size is announced: four times the largest published checkpoint. */
const MAX_FILE_BYTES = 64e9;

/**
 * Writes `folder/<file.path>`. From a source with `openRange` an unfinished file and its journal stay, and the next call
 * goes on from there, except after an IntegrityError; from other sources nothing is left after an error.
 * Throws NetworkError, NotFoundError and RefusedError as the source does, IntegrityError "size-mismatch" or
 * "hash-mismatch", ResourceError when the disk is or would be full, `signal.reason` when aborted.
 */
export async function transferFile(
  source: Source,
  file: SourceFile,
  folder: string,
  options: TransferOptions = {},
): Promise<TransferredFile> {
  const target = path.join(folder, file.path);
  await mkdir(path.dirname(target), { recursive: true });
  const moved = await moveFile(source, file, target, options);
  if (moved) return moved;
  const packed = await source.packed?.(file, options.signal);
  if (packed) return transferPacked(source, packed, file, target, options);
  const sizeBytes = source.openRange ? (file.sizeBytes ?? (await askSize(source, file, target, options))) : undefined;
  if (sizeBytes !== undefined) return transferResumably(source, { ...file, sizeBytes }, target, options);
  if (source.openRange)
    return withRetries(() => transferWhole(source, file, target, options), options.retry, options.signal);
  return transferWhole(source, file, target, options);
}

/**
 * Tries again after errors of the network, with growing pauses; throws the last one. Only failures in a row count: when
 * `progress` (bytes so far) has grown since the last failure, the next is the first again.
 */
export async function withRetries<T>(
  work: () => Promise<T>,
  retry: RetryPolicy = DEFAULT_RETRY,
  signal?: AbortSignal,
  progress: () => number = () => 0,
): Promise<T> {
  let before = progress();
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (progress() > before) failures = 1;
      before = progress();
      const isPassing = error instanceof FsbError && error.retryable && error.code !== 'offline';
      if (!isPassing || failures >= retry.attempts) throw error;
      const asked = error.facts.retryAfterMs;
      if (typeof asked === 'number' && asked > retry.maxRetryAfterMs) throw error;
      const pause = typeof asked === 'number' ? asked : backoffMs(failures, retry);
      await sleep(pause, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
    }
  }
}

/** Where the journal of a file in `folder` is. */
export function journalFileOf(folder: string, name: string): string {
  return path.join(folder, `${name}.journal`);
}

// --- internal ---

async function transferResumably(
  source: Source,
  file: SourceFile & { sizeBytes: number },
  target: string,
  options: TransferOptions,
): Promise<TransferredFile> {
  const { connections = DEFAULT_CONNECTIONS, onHeld } = options;
  const isProvable = file.sha256 !== undefined || file.gitSha1 !== undefined;
  const journalFile = options.journalFolder
    ? journalFileOf(options.journalFolder, file.path)
    : journalFileOf(path.dirname(target), path.basename(target));
  try {
    const found = await transferRanged({
      suppliers: [{ source, file }],
      mirrors: isProvable ? options.mirrors : undefined,
      expected: file,
      dataFile: target,
      journalFile,
      connections,
      slots: options.slots ?? new Slots(connections),
      rate: options.rate,
      retry: options.retry ?? DEFAULT_RETRY,
      stall: options.stall ?? DEFAULT_STALL,
      pieceBytes: options.pieceBytes,
      onHeld: onHeld && ((bytes) => onHeld(bytes, file.sizeBytes)),
      onReceived: options.onReceived,
      onDropped: options.onDropped,
      signal: options.signal,
    });
    if (!options.journalFolder) await rm(journalFile, { force: true });
    return {
      path: file.path,
      sizeBytes: found.sizeBytes,
      sha256: found.sha256,
      source: found.sources.join(' + ') || source.label,
    };
  } catch (error) {
    if (error instanceof IntegrityError) {
      await rm(target, { force: true });
      await rm(journalFile, { force: true });
    }
    throw error;
  }
}

async function moveFile(
  source: Source,
  file: SourceFile,
  target: string,
  { onHeld }: TransferOptions,
): Promise<TransferredFile | undefined> {
  const found = await source.move?.(file, target);
  if (!found) return undefined;
  compareChecksum(file, found, `${file.path} from ${source.label}`);
  onHeld?.(found.sizeBytes, found.sizeBytes);
  return { path: file.path, sizeBytes: found.sizeBytes, sha256: found.sha256, source: source.label };
}

/** An entry of a remote archive: its packed bytes as any file, then unpacked beside it, checked on the way. */
async function transferPacked(
  source: Source,
  packed: PackedFile,
  file: SourceFile,
  target: string,
  options: TransferOptions,
): Promise<TransferredFile> {
  const { journalFolder = path.dirname(target), onHeld, signal } = options;
  const doneFile = path.join(journalFolder, `${file.path}.done`);
  const done = await readDone(doneFile, packed.identity, target, signal);
  if (done) return { path: file.path, source: source.label, ...done };
  const packedFile = `${target}.packed`;
  const unpackedBytes = file.sizeBytes ?? packed.file.sizeBytes;
  const share = unpackedBytes / Math.max(1, packed.file.sizeBytes);
  const scaled = onHeld && ((bytes: number): void => onHeld(Math.floor(bytes * share), unpackedBytes));
  for (let isAgain = false; ; isAgain = true) {
    await transferResumably(packed.source, packed.file, packedFile, { ...options, onHeld: scaled, journalFolder });
    try {
      const found = await unpackFile(packed, packedFile, target, signal);
      compareChecksum(file, found, `${file.path} from ${source.label}`);
      const { sizeBytes, sha256 } = found;
      await mkdir(path.dirname(doneFile), { recursive: true });
      await writeFile(doneFile, JSON.stringify({ identity: packed.identity, sizeBytes, sha256 }));
      await rm(packedFile, { force: true });
      if (!options.journalFolder) await rm(doneFile, { force: true });
      return { path: file.path, sizeBytes, sha256, source: source.label };
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof IntegrityError)) throw writeError(error, target);
      await rm(packedFile, { force: true });
      await rm(journalFileOf(journalFolder, file.path), { force: true });
      if (isAgain) throw error; // bits fall over on the way once, not twice
    }
  }
}

async function unpackFile(
  packed: PackedFile,
  packedFile: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<FoundBytes> {
  const checksum = createChecksum();
  async function* hashed(): AsyncGenerator<Buffer> {
    signal?.throwIfAborted(); // a stream made with an aborted signal fails before anyone listens
    const input = createReadStream(packedFile, { highWaterMark: READ_CHUNK_BYTES, ...(signal && { signal }) });
    for await (const chunk of packed.unpack(input as AsyncIterable<Buffer>)) {
      checksum.update(chunk);
      yield chunk;
    }
  }
  if (packed.isStored) {
    for await (const _ of hashed()); // the bytes are in place already
    await rename(packedFile, target);
    return checksum.digest();
  }
  const partial = `${target}.incomplete`;
  try {
    await pipeline(hashed(), createWriteStream(partial), signal ? { signal } : {});
    await syncFile(partial);
    await rename(partial, target);
    return checksum.digest();
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** What a former run unpacked, when it is still the same. */
async function readDone(
  doneFile: string,
  identity: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<{ sizeBytes: number; sha256: string } | undefined> {
  const done = doneSchema.safeParse(
    await readFile(doneFile, 'utf8')
      .then(JSON.parse)
      .catch(() => undefined), // not there, or cut in two by a kill: unpacked again
  );
  if (!done.success || done.data.identity !== identity) return undefined;
  const sha256 = await sha256OfFile(target, signal).catch(() => undefined);
  signal?.throwIfAborted();
  return sha256 === done.data.sha256 ? { sizeBytes: done.data.sizeBytes, sha256 } : undefined;
}

/** One byte tells the size, where the listing does not; undefined when the server will not say. */
async function askSize(
  source: Source,
  file: SourceFile,
  target: string,
  { retry, signal }: TransferOptions,
): Promise<number | undefined> {
  const sizeBytes = await withRetries(
    async () => {
      try {
        const { chunks, totalBytes } = await source.openRange!(file, { start: 0, end: 1 }, { signal });
        for await (const _ of chunks) break;
        return totalBytes;
      } catch (error) {
        if (error instanceof NetworkError && error.code === 'range-not-satisfiable') return undefined; // an empty file
        throw error;
      }
    },
    retry,
    signal,
  );
  if (sizeBytes !== undefined) {
    const have = (await stat(target).catch(() => undefined))?.blocks ?? 0;
    await requireDiskSpace(path.dirname(target), sizeBytes - have * 512, `${file.path} from ${source.label}`);
  }
  return sizeBytes;
}

/** In one stream, to a temporary name: for sources on this machine, and for servers that tell no size. */
async function transferWhole(
  source: Source,
  file: SourceFile,
  target: string,
  options: TransferOptions,
): Promise<TransferredFile> {
  const partial = `${target}.incomplete`;
  const where = `${file.path} from ${source.label}`;
  const checksum = createChecksum(file);
  try {
    await rm(partial, { force: true }); // of a run that was killed
    if (!(await cloneFile(source, file, partial, checksum, options)))
      await streamFile(source, file, partial, checksum, options);
    const found = checksum.digest();
    compareChecksum(file, found, where);
    await rename(partial, target);
    return { path: file.path, sizeBytes: found.sizeBytes, sha256: found.sha256, source: source.label };
  } catch (error) {
    await rm(partial, { force: true });
    options.signal?.throwIfAborted();
    throw writeError(error, target);
  }
}

async function streamFile(
  source: Source,
  file: SourceFile,
  partial: string,
  checksum: Checksum,
  { signal, onHeld, onReceived, rate }: TransferOptions,
): Promise<void> {
  const opened = await source.open(file, 0, signal);
  const announced = opened.sizeBytes;
  const sizeBytes = file.sizeBytes ?? announced;
  if (file.sizeBytes === undefined && announced !== undefined)
    await requireDiskSpace(path.dirname(partial), announced, `${file.path} from ${source.label}`);
  const limit = sizeBytes ?? MAX_FILE_BYTES;
  let bytes = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of opened.chunks) {
      bytes += chunk.length;
      if (bytes > limit)
        throw new IntegrityError(`${file.path} from ${source.label}: expected ${limit} bytes, more are coming`, {
          code: 'size-mismatch',
          facts: { path: file.path, expected: limit },
        });
      if (rate && !source.localPath) await rate.take(chunk.length, signal);
      checksum.update(chunk);
      onReceived?.(chunk.length);
      onHeld?.(bytes, sizeBytes);
      yield chunk;
    }
  }
  await pipeline(counted, createWriteStream(partial, { flags: 'wx' }), signal ? { signal } : {});
  const due = announced ?? file.sizeBytes ?? 0;
  if (bytes < due)
    throw new NetworkError(`${file.path} from ${source.label}: ended after ${bytes} of ${due} bytes`, {
      code: 'transfer-truncated',
      hint: 'run the same command again',
    });
  await syncFile(partial);
}

/** On file systems with copy-on-write a local file costs no bytes; false where that is not possible. */
async function cloneFile(
  source: Source,
  file: SourceFile,
  partial: string,
  checksum: Checksum,
  { signal, onHeld, onReceived }: TransferOptions,
): Promise<boolean> {
  if (!source.localPath) return false;
  try {
    await copyFile(source.localPath(file), partial, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
  } catch {
    return false; // any real trouble with the file shows again when it is copied byte by byte
  }
  let bytes = 0;
  const chunks = createReadStream(partial, { highWaterMark: READ_CHUNK_BYTES, ...(signal && { signal }) });
  for await (const chunk of chunks as AsyncIterable<Buffer>) {
    checksum.update(chunk);
    bytes += chunk.length;
    onReceived?.(chunk.length);
    onHeld?.(bytes, file.sizeBytes);
  }
  await syncFile(partial);
  return true;
}
