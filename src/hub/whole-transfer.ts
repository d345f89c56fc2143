/** A file in one stream: from sources on this machine, and from servers that tell no size or know no ranges. */
import { constants, createReadStream, createWriteStream } from 'node:fs';
import { copyFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { requireDiskSpace, writeError } from '../util/disk.ts';
import { IntegrityError, NetworkError } from '../util/errors.ts';
import { syncFile } from '../util/files.ts';
import { type Checksum, compareChecksum, createChecksum } from './checksum.ts';
import type { Source, SourceFile } from './sources/source.ts';
import type { TransferOptions, TransferredFile } from './transfer-options.ts';

const READ_CHUNK_BYTES = 1 << 20;
/** Where no size is announced: four times the largest published checkpoint. */
const MAX_FILE_BYTES = 64e9;

/** By a temporary name to `target`; nothing is left after an error. */
export async function transferWhole(
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

// --- internal ---

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
