/**
 * A zip that comes as a stream and is never stored: its entries are taken by their local headers as they pass, and
 * nothing of it counts before the directory at its end has confirmed them. Format: PKWARE APPNOTE.TXT 6.3, 4.3.7-4.3.9.
 */
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import { ByteReader } from './byte-reader.ts';
import { UnsupportedError } from './errors.ts';
import { formatBytes } from './format.ts';
import { isSystemLitter } from './relative-path.ts';
import { unpackEntry } from './zip.ts';
import {
  corrupt,
  DEFAULT_LIMITS,
  decodeName,
  MAX_DIRECTORY_BYTES,
  MAX_RATIO,
  methodOf,
  RATIO_MATTERS_FROM_BYTES,
  type RandomAccess,
  readZipDirectory,
  unsafe,
  type ZipDirectory,
  type ZipEntry,
} from './zip-directory.ts';

/** An entry as it passes. Its name is not judged yet: it is a label, no path to write to. */
export interface PassingEntry {
  /** Offset of its local header; says which entry of the directory it is. */
  readonly offset: number;
  readonly name: string;
  /** Unpacked; to be read to the end. */
  readonly bytes: AsyncIterable<Buffer>;
}

const LOCAL_HEADER_BYTES = 30;
const LOCAL_SIGNATURE = 0x04034b50;
const DESCRIPTOR_SIGNATURE = 0x08074b50;
const ZIP64_FIELD = 1;
/** In the place of sizes that stand in the zip64 field. */
const IN_ZIP64 = 0xffffffff;
/** Sizes and CRC-32 stand in a descriptor behind the data. */
const FLAG_DESCRIPTOR = 1 << 3;
const READ_BYTES = 256 << 10;

/**
 * Reads a zip to its end, handing over each entry that is a file. Throws what readZipDirectory and unpackEntry throw,
 * IntegrityError also where directory and entries differ, UnsupportedError "unstreamable-archive" for stored entries of
 * unknown size: where they end is known from the directory only. `file` is named in errors.
 */
export async function streamZip(
  chunks: AsyncIterable<Uint8Array>,
  file: string,
  onEntry: (entry: PassingEntry) => Promise<void>,
): Promise<ZipDirectory> {
  const reader = new ByteReader(chunks);
  try {
    const passed = new Map<number, ZipEntry>();
    let totalBytes = 0;
    while ((await signatureAhead(reader)) === LOCAL_SIGNATURE) {
      const entry = await passEntry(reader, file, onEntry);
      totalBytes += entry.sizeBytes;
      if (passed.size >= DEFAULT_LIMITS.maxEntries)
        throw unsafe(file, `has more than ${DEFAULT_LIMITS.maxEntries} entries`);
      if (totalBytes > DEFAULT_LIMITS.maxTotalBytes)
        throw unsafe(file, `unpacked, it has more than ${formatBytes(DEFAULT_LIMITS.maxTotalBytes)}`);
      passed.set(entry.offset, entry);
    }
    const dataEnd = reader.position;
    const directory = await readZipDirectory(await restOf(reader, file), file);
    compare(directory, passed, dataEnd, file);
    return directory;
  } finally {
    await reader.close();
  }
}

// --- internal ---

async function signatureAhead(reader: ByteReader): Promise<number | undefined> {
  const bytes = await reader.peek(4);
  return bytes.length === 4 ? bytes.readUInt32LE(0) : undefined;
}

interface LocalHeader extends ZipEntry {
  readonly hasDescriptor: boolean;
}

/** One entry, from its local header to its end; returned as what it was found to be. */
async function passEntry(
  reader: ByteReader,
  file: string,
  onEntry: (entry: PassingEntry) => Promise<void>,
): Promise<ZipEntry> {
  const header = await readLocalHeader(reader, file);
  const { path: name, offset } = header;
  const start = reader.position;
  const found = { sizeBytes: 0, crc32: 0 };
  const unpacked = header.hasDescriptor
    ? inflatedToItsEnd(reader, header, file)
    : unpackEntry(upTo(reader, start + header.compressedBytes), header, file);
  const bytes = counted(unpacked, found, () => reader.position - start, name, file);
  if (name.endsWith('/') || isSystemLitter(name)) for await (const _ of bytes);
  else await onEntry({ offset, name, bytes });
  if (!header.hasDescriptor) {
    for await (const _ of upTo(reader, start + header.compressedBytes)); // what inflating did not need
    return { ...header, ...found };
  }
  const compressedBytes = reader.position - start;
  await readDescriptor(reader, { ...header, ...found, compressedBytes }, file);
  return { ...header, ...found, compressedBytes };
}

async function readLocalHeader(reader: ByteReader, file: string): Promise<LocalHeader> {
  const offset = reader.position;
  const header = await exactly(reader, LOCAL_HEADER_BYTES, file);
  const [flags, number] = [header.readUInt16LE(6), header.readUInt16LE(8)];
  const name = decodeName(flags, await exactly(reader, header.readUInt16LE(26), file), file);
  const extra = await exactly(reader, header.readUInt16LE(28), file);
  const method = methodOf(flags, number, name, file);
  const hasDescriptor = (flags & FLAG_DESCRIPTOR) !== 0;
  const sizes = { compressedBytes: header.readUInt32LE(18), sizeBytes: header.readUInt32LE(22) };
  const entry = { path: name, method, offset, crc32: header.readUInt32LE(14), hasDescriptor };
  if (hasDescriptor && method === 'stored' && !name.endsWith('/'))
    throw new UnsupportedError(
      `${file}: where the entry ${JSON.stringify(name)} ends is known from the directory behind it only, and the server sends no ranges`,
      { code: 'unstreamable-archive', hint: 'download the zip and import it (fsb import ZIP --as NAME)' },
    );
  if (hasDescriptor && method === 'stored') return { ...entry, compressedBytes: 0, sizeBytes: 0, hasDescriptor: false };
  const isWide = sizes.compressedBytes === IN_ZIP64 || sizes.sizeBytes === IN_ZIP64;
  return { ...entry, ...(isWide && !hasDescriptor ? zip64Sizes(extra, name, file) : sizes) };
}

/** In a local header the zip64 field has both sizes (APPNOTE 4.5.3). */
function zip64Sizes(extra: Buffer, name: string, file: string): { sizeBytes: number; compressedBytes: number } {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2))
    if (extra.readUInt16LE(at) === ZIP64_FIELD && at + 20 <= extra.length)
      return {
        sizeBytes: Number(extra.readBigUInt64LE(at + 4)),
        compressedBytes: Number(extra.readBigUInt64LE(at + 12)),
      };
  throw corrupt(file, `entry ${JSON.stringify(name)}: its zip64 sizes are missing`);
}

/** The compressed bytes up to an offset. */
async function* upTo(reader: ByteReader, end: number): AsyncGenerator<Buffer> {
  while (reader.position < end) {
    const bytes = await reader.some(Math.min(READ_BYTES, end - reader.position));
    if (!bytes) return;
    yield bytes;
  }
}

/** Deflated data says itself where it ends; what was read beyond is given back. */
async function* inflatedToItsEnd(reader: ByteReader, { path: name }: ZipEntry, file: string): AsyncGenerator<Buffer> {
  const inflate = createInflateRaw({ chunkSize: READ_BYTES });
  const begun = reader.position;
  /** Chunks that may not be used up. */
  const recent: Buffer[] = [];
  let recentStart = begun;
  async function* compressed(): AsyncGenerator<Buffer> {
    for (let bytes = await reader.some(READ_BYTES); bytes; bytes = await reader.some(READ_BYTES)) {
      while (recent[0] && recentStart + recent[0].length <= begun + inflate.bytesWritten)
        recentStart += recent.shift()!.length;
      recent.push(bytes);
      yield bytes;
    }
  }
  const input = Readable.from(compressed(), { objectMode: false });
  input.on('error', (error) => inflate.destroy(error));
  input.pipe(inflate);
  let isWhole = false;
  try {
    yield* inflate as AsyncIterable<Buffer>;
    isWhole = true;
  } catch (error) {
    if (error instanceof Error && /^(Z_|ERR_)/.test((error as NodeJS.ErrnoException).code ?? ''))
      throw corrupt(file, `entry ${JSON.stringify(name)} cannot be inflated (${error.message})`, error);
    throw error;
  } finally {
    input.destroy();
    await finished(input).catch(() => undefined); // it was ended before its time; a read under way is over now
    if (isWhole) reader.giveBack(Buffer.concat(recent).subarray(begun + inflate.bytesWritten - recentStart));
  }
}

/** Passes bytes on, notes what they are, and stops what unpacks to absurd sizes. */
async function* counted(
  bytes: AsyncIterable<Buffer>,
  found: { sizeBytes: number; crc32: number },
  compressedBytes: () => number,
  name: string,
  file: string,
): AsyncGenerator<Buffer> {
  for await (const chunk of bytes) {
    found.sizeBytes += chunk.length;
    found.crc32 = crc32(chunk, found.crc32);
    if (found.sizeBytes > RATIO_MATTERS_FROM_BYTES && found.sizeBytes > compressedBytes() * MAX_RATIO)
      throw unsafe(file, `entry ${JSON.stringify(name)} unpacks to more than ${MAX_RATIO} times its size (a zip bomb)`);
    if (found.sizeBytes > DEFAULT_LIMITS.maxTotalBytes)
      throw unsafe(file, `entry ${JSON.stringify(name)} has more than ${formatBytes(DEFAULT_LIMITS.maxTotalBytes)}`);
    yield chunk;
  }
}

/** CRC-32 and sizes, with or without a signature before, the sizes of 4 or 8 bytes: what fits, before the next record, is right. */
async function readDescriptor(reader: ByteReader, found: ZipEntry, file: string): Promise<void> {
  const bytes = await reader.peek(24 + 2);
  for (const start of [4, 0])
    for (const width of [4, 8]) {
      const end = start + 4 + 2 * width;
      if (
        bytes.toString('latin1', end, end + 2) !== 'PK' ||
        (start === 4 && bytes.readUInt32LE(0) !== DESCRIPTOR_SIGNATURE)
      )
        continue;
      const size = (at: number): number => (width === 4 ? bytes.readUInt32LE(at) : Number(bytes.readBigUInt64LE(at)));
      if (
        bytes.readUInt32LE(start) === found.crc32 &&
        size(start + 4) === found.compressedBytes &&
        size(start + 4 + width) === found.sizeBytes
      ) {
        await reader.take(end);
        return;
      }
    }
  throw corrupt(file, `entry ${JSON.stringify(found.path)}: size or CRC-32 behind its data do not fit it`);
}

/** What comes behind the entries, to be read like a file; the entries themselves are zeros in it. */
async function restOf(reader: ByteReader, file: string): Promise<RandomAccess> {
  const start = reader.position;
  const rest = await reader.take(MAX_DIRECTORY_BYTES + (1 << 20));
  if (await reader.some(1))
    throw corrupt(file, `entries, then more than ${formatBytes(rest.length)} of something else`);
  return {
    stat: async () => ({ size: start + rest.length }),
    async read(buffer, offset, length, position) {
      const zeros = Math.max(0, Math.min(length, start - position));
      buffer.fill(0, offset, offset + zeros);
      const from = Math.max(0, position - start);
      const copied = rest.copy(buffer, offset + zeros, from, from + length - zeros);
      return { bytesRead: zeros + copied };
    },
  };
}

/** The directory counts: what it lists must have passed just so, and what has passed must be listed. */
function compare(directory: ZipDirectory, passed: ReadonlyMap<number, ZipEntry>, dataEnd: number, file: string): void {
  if (directory.dataEnd !== dataEnd)
    throw corrupt(file, `its entries end at ${dataEnd}, its directory begins at ${directory.dataEnd}`);
  const listed = new Set(directory.entries.map(({ offset }) => offset));
  for (const entry of directory.entries) {
    const found = passed.get(entry.offset);
    for (const key of ['path', 'method', 'sizeBytes', 'compressedBytes', 'crc32'] as const)
      if (found?.[key] !== entry[key])
        throw corrupt(
          file,
          `entry ${JSON.stringify(entry.path)}: its directory says ${key} ${entry[key]}, its data ${found?.[key]}`,
        );
  }
  for (const { offset, path: name } of passed.values())
    if (!listed.has(offset) && !name.endsWith('/') && !isSystemLitter(name))
      throw unsafe(file, `entry ${JSON.stringify(name)} is not in its directory`, name);
}

async function exactly(reader: ByteReader, length: number, file: string): Promise<Buffer> {
  const bytes = await reader.take(length);
  if (bytes.length < length) throw corrupt(file, `ends at ${reader.position}, in the middle of an entry`);
  return bytes;
}
