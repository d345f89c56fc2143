/** An entry of a remote archive: its packed bytes as any file, then unpacked beside it, checked on the way. */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { writeError } from '../util/disk.ts';
import { IntegrityError } from '../util/errors.ts';
import { sha256OfFile, syncFile } from '../util/files.ts';
import { compareChecksum, createChecksum, type FoundBytes } from './checksum.ts';
import { journalFileOf, transferResumably } from './resumable-transfer.ts';
import type { PackedFile, Source, SourceFile } from './sources/source.ts';
import type { TransferOptions, TransferredFile } from './transfer-options.ts';

/** What was unpacked out of an archive, kept beside the journals. */
const doneSchema = z.object({ identity: z.string(), sizeBytes: z.number(), sha256: z.string() });

const READ_CHUNK_BYTES = 1 << 20;

/** To `target`, which has its final bytes or none; what has come of the packed ones is kept for the next run. */
export async function transferPacked(
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

// --- internal ---

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
