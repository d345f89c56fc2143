/** A file of known size from a source with ranges: what an error leaves is kept with its journal, and gone on with. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { IntegrityError } from '../util/errors.ts';
import { DEFAULT_RETRY, DEFAULT_STALL, Slots } from './limits.ts';
import { transferRanged } from './ranged-transfer.ts';
import type { Source, SourceFile } from './sources/source.ts';
import type { TransferOptions, TransferredFile } from './transfer-options.ts';

const DEFAULT_CONNECTIONS = 4;

/** To `target`; the errors are those of transferRanged. */
export async function transferResumably(
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

/** Where the journal of a file in `folder` is. */
export function journalFileOf(folder: string, name: string): string {
  return path.join(folder, `${name}.journal`);
}
