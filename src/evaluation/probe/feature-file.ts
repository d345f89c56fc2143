/**
 * Features on the disk while they are being computed: an append-only file, so that a killed run computes none twice.
 * Layout: one line of JSON that says whose features they are, then vectors as float32 of the machine's byte order (the
 * header names it), in the order of the batches.
 */
import { type FileHandle, open } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { writeError } from '../../util/disk.ts';
import { UsageError } from '../../util/errors.ts';
import { makeFolder } from '../../util/files.ts';

/** The header is a few hundred bytes. */
const MAX_HEADER_BYTES = 64 * 1024;
/** Bytes of one read; Node reads at most 2 GiB at once. */
const READ_BYTES = 256 * 1024 * 1024;

/** What must be the same for features to be the same: model, data, form. Plain JSON. */
export type FeatureIdentity = Readonly<Record<string, unknown>>;

export interface FeatureFile {
  /** Whole numbers that former runs left. */
  readonly floats: number;
  /** Fills `target` with the first numbers, and forgets what stands behind them: it was being written when the run ended. */
  restore(target: Float32Array): Promise<void>;
  /** Appends vectors and flushes. */
  append(vectors: Float32Array): Promise<void>;
  close(): Promise<void>;
}

/** Opens or creates the file. Throws UsageError when what is there is another run's, or would be lost without `resume`. */
export async function openFeatureFile(file: string, identity: FeatureIdentity, resume: boolean): Promise<FeatureFile> {
  await makeFolder(path.dirname(file));
  const handle = await open(file, 'a+').then(async (appending) => {
    await appending.close(); // creates the file where there is none; positions are ours from here on
    return open(file, 'r+');
  });
  try {
    const found = await readHeader(handle);
    if (found === undefined) return featuresOn(handle, file, await writeHeader(handle, identity), 0);
    if (!resume)
      throw new UsageError(`${file} holds features of a run that was broken off`, {
        code: 'run-unfinished',
        hint: 'add --resume to go on with it, delete the file to start anew, or name another --out',
      });
    if (!isDeepStrictEqual(JSON.parse(found.text), described(identity)))
      throw new UsageError(`${file} holds the features of another run: ${found.text}`, {
        code: 'resume-differs',
        hint: 'resume with the options of the first start, or name another --out',
      });
    return featuresOn(handle, file, found.sizeBytes, (await handle.stat()).size - found.sizeBytes);
  } catch (error) {
    await handle.close();
    throw writeError(error, file);
  }
}

// --- internal ---

function featuresOn(handle: FileHandle, file: string, start: number, dataBytes: number): FeatureFile {
  let position = start;
  return {
    floats: Math.floor(dataBytes / Float32Array.BYTES_PER_ELEMENT),
    async restore(target) {
      const bytes = bytesOf(target);
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, at, Math.min(READ_BYTES, bytes.length - at), start + at);
        if (bytesRead === 0) throw new Error(`${file} ended after ${at} of ${bytes.length} bytes`);
        at += bytesRead;
      }
      position = start + bytes.length;
      await handle.truncate(position);
    },
    async append(vectors) {
      try {
        position += await writeAll(handle, bytesOf(vectors), position);
      } catch (error) {
        throw writeError(error, file);
      }
    },
    close: () => handle.close(),
  };
}

/** The first line; undefined where the file is empty or the line was never ended. */
async function readHeader(handle: FileHandle): Promise<{ text: string; sizeBytes: number } | undefined> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_HEADER_BYTES), 0, MAX_HEADER_BYTES, 0);
  const end = buffer.subarray(0, bytesRead).indexOf('\n');
  return end < 0 ? undefined : { text: buffer.toString('utf8', 0, end), sizeBytes: end + 1 };
}

async function writeHeader(handle: FileHandle, identity: FeatureIdentity): Promise<number> {
  await handle.truncate(0);
  return writeAll(handle, Buffer.from(`${JSON.stringify(described(identity))}\n`), 0);
}

/** Writes, flushes, and tells how many bytes. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  for (let at = 0; at < bytes.length; )
    at += (await handle.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
  await handle.datasync();
  return bytes.length;
}

const described = (identity: FeatureIdentity): unknown =>
  JSON.parse(JSON.stringify({ schema: 'fsb.eval-features/1', ...identity, byteOrder: os.endianness() }));

const bytesOf = (floats: Float32Array): Uint8Array =>
  new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
