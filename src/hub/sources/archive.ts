/** A zip behind a URL, as the models were first published: fetched whole beside the target, then read like any zip. */
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { HttpClient } from '../http.ts';
import { transferFile } from '../transfer.ts';
import { httpSource } from './http.ts';
import { zipSource } from './local.ts';
import type { Source } from './source.ts';

export interface ArchiveOptions {
  readonly url: string;
  /** Where the zip lies meanwhile; removed by `close`. */
  readonly scratchFolder: string;
  /** Called with the number of further bytes received, and of how many. */
  readonly onBytes?: ((bytes: number, sizeBytes: number | undefined) => void) | undefined;
}

/** The zip is fetched by `list`; `open` reads from it. */
export function archiveSource({ url, scratchFolder, onBytes }: ArchiveOptions, http: HttpClient): Source {
  const remote = httpSource(url, http);
  const label = `archive:${remote.label}`;
  let zip: Source | undefined;
  let archiveBytes = 0;
  const fetchZip = async (signal: AbortSignal | undefined): Promise<Source> => {
    const [file] = (await remote.list(signal)).files;
    await mkdir(scratchFolder, { recursive: true });
    const { path: name, sizeBytes } = await transferFile(remote, file!, scratchFolder, { signal, onBytes });
    archiveBytes = sizeBytes;
    return zipSource(path.join(scratchFolder, name), label);
  };
  return {
    label,
    get archiveBytes() {
      return archiveBytes;
    },
    async list(signal) {
      zip ??= await fetchZip(signal);
      return zip.list(signal);
    },
    async open(file, offset, signal) {
      zip ??= await fetchZip(signal);
      return zip.open(file, offset, signal);
    },
    async close() {
      await zip?.close();
      await rm(scratchFolder, { recursive: true, force: true });
    },
  };
}
