/** Files of one source into a folder, some at a time. */
import type { PullEvent } from './pull-options.ts';
import type { Source, SourceFile } from './sources/source.ts';
import type { Supplier } from './suppliers.ts';
import { transferFile } from './transfer.ts';
import type { TransferOptions, TransferredFile } from './transfer-options.ts';

export interface PullFilesOptions extends Omit<TransferOptions, 'onHeld' | 'onDropped' | 'mirrors'> {
  readonly onEvent?: ((event: PullEvent) => void) | undefined;
  /** Other places for a file. */
  readonly mirrorsOf?: ((file: SourceFile) => readonly Promise<Supplier | undefined>[]) | undefined;
  /** A file that is on this machine already. */
  readonly adopt?: ((file: SourceFile) => Promise<TransferredFile | undefined>) | undefined;
}

/** Small files are waited for, not received: a few at a time hide that. */
export const FILES_AT_ONCE = 4;

/** Fetches these files of a source into a folder, some at a time; the first error ends all (errors: see transferFile). */
export async function pullFiles(
  source: Source,
  files: readonly SourceFile[],
  folder: string,
  { onEvent, mirrorsOf, adopt, ...transfer }: PullFilesOptions = {},
): Promise<TransferredFile[]> {
  const stop = new AbortController();
  const signal = transfer.signal ? AbortSignal.any([transfer.signal, stop.signal]) : stop.signal;
  const transferred = new Map<string, TransferredFile>();
  // small ones first: what is wrong with a repository shows before gigabytes are here
  const queue = [...files].sort((a, b) => (a.sizeBytes ?? 0) - (b.sizeBytes ?? 0));
  const fetchNext = async (): Promise<void> => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const { path: name } = file;
      signal.throwIfAborted();
      const adopted = await adopt?.(file);
      const done =
        adopted ??
        (await transferFile(source, file, folder, {
          ...transfer,
          signal,
          mirrors: mirrorsOf && (() => mirrorsOf(file)),
          onHeld: (bytes, sizeBytes) => onEvent?.({ type: 'progress', path: name, bytes, sizeBytes }),
          onDropped: (label, reason) =>
            onEvent?.({ type: 'passed-over', source: label, reason: reason.message, path: name }),
        }));
      onEvent?.({ type: 'file', ...done });
      transferred.set(name, done);
    }
  };
  const work = Array.from({ length: source.openRange || source.packed ? FILES_AT_ONCE : 1 }, fetchNext);
  try {
    await Promise.all(work);
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(work);
    throw error;
  }
  return files.flatMap((file) => transferred.get(file.path) ?? []);
}
