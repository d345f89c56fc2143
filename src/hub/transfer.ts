/** One file from a source to its place, hashed, compared and synced: over many connections where the source can. */
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { requireDiskSpace } from '../util/disk.ts';
import { NetworkError } from '../util/errors.ts';
import { compareChecksum } from './checksum.ts';
import { transferPacked } from './packed-transfer.ts';
import { transferResumably } from './resumable-transfer.ts';
import { withRetries } from './retries.ts';
import type { Source, SourceFile } from './sources/source.ts';
import type { TransferOptions, TransferredFile } from './transfer-options.ts';
import { transferWhole } from './whole-transfer.ts';

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

// --- internal ---

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
