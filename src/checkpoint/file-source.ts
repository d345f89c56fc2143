/** Bytes of a file by offset: one handle per file, positional reads, never the whole file. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { ByteSource } from '../tensor/lazy-tensor.ts';
import { isSystemError, NotFoundError } from '../util/errors.ts';
import { corruptArchive } from './refusals.ts';

/** One system call reads at most this much: Linux stops at 2 GiB, and smaller pieces keep other work going. */
const MAX_READ_BYTES = 64 * 1024 * 1024;

/** A file, opened for reading. Who opens it closes it. */
export class FileSource implements ByteSource {
  readonly name: string;
  readonly sizeBytes: number;
  readonly #handle: FileHandle;

  constructor(name: string, sizeBytes: number, handle: FileHandle) {
    this.name = name;
    this.sizeBytes = sizeBytes;
    this.#handle = handle;
  }

  /** Throws NotFoundError when there is no such file. */
  static async open(file: string): Promise<FileSource> {
    try {
      if (!(await stat(file)).isFile()) throw corruptArchive(file, 'expected a regular file'); // opening a pipe would wait
      const handle = await open(file, 'r');
      return new FileSource(file, (await handle.stat()).size, handle);
    } catch (error) {
      if (!isSystemError(error, 'ENOENT')) throw error;
      throw new NotFoundError(`${file} does not exist`, { code: 'file-not-found', cause: error });
    }
  }

  async readInto(target: Uint8Array, offset: number): Promise<void> {
    requireRange(this, target, offset);
    for (let done = 0; done < target.length; ) {
      const length = Math.min(MAX_READ_BYTES, target.length - done);
      const { bytesRead } = await this.#handle.read(target, done, length, offset + done);
      if (bytesRead === 0)
        throw corruptArchive(
          this.name,
          `the file ended at byte ${offset + done} while ${target.length - done} more were read; it has become shorter since it was opened (${this.sizeBytes} bytes)`,
        );
      done += bytesRead;
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** `sizeBytes` bytes of a source from `start` on. The caller has checked that they are inside. */
export function regionOf(source: ByteSource, name: string, start: number, sizeBytes: number): ByteSource {
  const region: ByteSource = {
    name,
    sizeBytes,
    async readInto(target, offset) {
      requireRange(region, target, offset);
      await source.readInto(target, start + offset);
    },
  };
  return region;
}

/** The bytes [offset, offset + length) in memory; for the small parts of a container. */
export async function readBytes(source: ByteSource, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await source.readInto(bytes, offset);
  return bytes;
}

// --- internal ---

function requireRange(source: ByteSource, target: Uint8Array, offset: number): void {
  if (offset >= 0 && offset + target.length <= source.sizeBytes) return;
  throw corruptArchive(
    source.name,
    `expected bytes ${offset} to ${offset + target.length}, but there are only ${source.sizeBytes}`,
  );
}
