/** The file that is being filled, written at any place and read back. */
import { writeSync } from 'node:fs';
import { type FileHandle, open, rm, stat } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

/** A write that takes longer has waited for a disk, not for memory. */
const SLOW_WRITE_MS = 50;
/** So many writes then go through a thread, so that the next wait stops nothing else. */
const WRITES_ASIDE = 64;

export class DataFile {
  readonly #handle: FileHandle;
  #aside = 0;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Opens what a former run left (made anew when it is gone), or starts over. */
  static async open(file: string, isResumed: boolean): Promise<DataFile> {
    // a second name of a file in another tool's cache: not ours to write to
    if (((await stat(file).catch(() => undefined))?.nlink ?? 1) > 1) await rm(file);
    const opened = isResumed ? open(file, 'r+').catch(() => open(file, 'w+')) : open(file, 'w+');
    return new DataFile(await opened);
  }

  /**
   * Writes all bytes: at once into the system's file cache (undefined), or, after a write that had to wait, from a
   * thread, with a promise. The bytes must stay as they are until then. Throws the system's errors.
   */
  write(bytes: Uint8Array, position: number): Promise<void> | undefined {
    if (this.#aside > 0) {
      this.#aside--;
      return this.#writeAside(bytes, position);
    }
    const started = performance.now();
    for (let done = 0; done < bytes.length; )
      done += writeSync(this.#handle.fd, bytes, done, bytes.length - done, position + done);
    if (performance.now() - started > SLOW_WRITE_MS) this.#aside = WRITES_ASIDE;
    return undefined;
  }

  /** Fills the buffer; false when the file ends before. */
  async read(bytes: Buffer, position: number): Promise<boolean> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesRead } = await this.#handle.read(bytes, done, bytes.length - done, position + done);
      if (bytesRead === 0) return false;
      done += bytesRead;
    }
    return true;
  }

  /** CRC-32 of the bytes from `start` to `end` (exclusive), which must be there. */
  async crc32(start: number, end: number): Promise<number> {
    const bytes = Buffer.allocUnsafe(end - start);
    await this.read(bytes, start);
    return crc32(bytes);
  }

  /** Makes it exactly so long, and sure to be there after a power cut. */
  async seal(sizeBytes: number): Promise<void> {
    await this.#handle.truncate(sizeBytes);
    await this.#handle.sync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #writeAside(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; )
      done += (await this.#handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
