/** Import: a zip or folder that a person already has becomes a checkpoint folder with a record. */
import path from 'node:path';
import { requireDiskSpace } from '../util/disk.ts';
import { UsageError } from '../util/errors.ts';
import { writeFolder } from '../util/files.ts';
import { requireReplaceable } from './present-checkpoint.ts';
import { pullFiles } from './pull-files.ts';
import type { PullEvent } from './pull-options.ts';
import { writeRecord } from './record.ts';
import { localSource } from './sources/local.ts';

export interface ImportOptions {
  /** For the record. @default the target folder's own name */
  readonly name?: string | undefined;
  /** Called with the bytes written so far and in all. */
  readonly onProgress?: ((bytes: number, totalBytes: number) => void) | undefined;
  /** The single steps, as of a pull. */
  readonly onEvent?: ((event: PullEvent) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ImportResult {
  readonly path: string;
  readonly files: readonly { readonly path: string; readonly sizeBytes: number; readonly sha256: string }[];
  /** What lay beside the checkpoint's folder in the archive or folder, and was not imported. */
  readonly leftOut: readonly string[];
}

/**
 * Unpacks or copies (clones, where the file system can) every file of the checkpoint; names may be UTF-8 or GBK, and
 * folders around the checkpoint are stripped. Throws NotFoundError when nothing is at `zipOrFolder`, IntegrityError
 * when it is unsafe, damaged or no checkpoint, ResourceError when the disk is too small, `signal.reason` when aborted;
 * then nothing is left, and a former checkpoint in `targetFolder` stays as it was.
 */
export async function importArchive(
  zipOrFolder: string,
  targetFolder: string,
  options: ImportOptions = {},
): Promise<ImportResult> {
  const { onProgress, onEvent, signal } = options;
  const target = path.resolve(targetFolder);
  if (path.resolve(zipOrFolder) === target)
    throw new UsageError(`${target} cannot be imported into itself`, { code: 'target-is-source' });
  await requireReplaceable(target);
  const source = await localSource(zipOrFolder);
  try {
    const { files, leftOut = [] } = await source.list(signal);
    const totalBytes = files.reduce((sum, file) => sum + (file.sizeBytes ?? 0), 0);
    await requireDiskSpace(target, totalBytes, `importing ${zipOrFolder}`);
    let finishedBytes = 0;
    const report = (event: PullEvent): void => {
      if (event.type === 'progress') onProgress?.(finishedBytes + event.bytes, totalBytes);
      if (event.type === 'file') finishedBytes += event.sizeBytes;
      onEvent?.(event);
    };
    if (leftOut.length) report({ type: 'left-out', paths: leftOut });
    const imported = await writeFolder(target, async (folder) => {
      const done = await pullFiles(source, files, folder, { onEvent: report, signal });
      const name = options.name ?? path.basename(target);
      const asked = { revision: null, requestedRevision: null, include: [], exclude: [] };
      await writeRecord(folder, { name, source: source.label, ...asked, files: done });
      signal?.throwIfAborted();
      return done;
    });
    return {
      path: target,
      files: imported.map(({ path: name, sizeBytes, sha256 }) => ({ path: name, sizeBytes, sha256 })),
      leftOut,
    };
  } finally {
    await source.close();
  }
}
