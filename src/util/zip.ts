/**
 * Zip archives from outside: listed and judged before a byte is unpacked, then read entry by entry with size and
 * CRC-32 checked on the way. Directory: ./zip-directory.ts. Entry data is read here and not by unzipper, whose entry
 * streams are several times slower, keep the file open when they are left early, and check no CRC.
 */
import { createWriteStream } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import { writeError } from './disk.ts';
import { IntegrityError, isSystemError, NotFoundError } from './errors.ts';
import { formatBytes } from './format.ts';
import {
  corrupt,
  type RandomAccess,
  readAt,
  readZipDirectory,
  unsafe,
  type ZipEntry,
  type ZipLimits,
} from './zip-directory.ts';

export type { RandomAccess, ZipEntry, ZipLimits } from './zip-directory.ts';

export interface ZipArchive {
  /** The file as it was given, for messages. */
  readonly file: string;
  /** Files in directory order, without folders and without `__MACOSX/`, `._*`, `.DS_Store`. */
  readonly entries: readonly ZipEntry[];
  /** Unpacked bytes of an entry; fails with IntegrityError where they are not what the directory declares. */
  stream(entry: ZipEntry): Readable;
  /** Writes entries below a folder, which should be new: an existing file is an error, never overwritten. */
  extractTo(folder: string, options?: ExtractOptions): Promise<void>;
  close(): Promise<void>;
}

export interface ExtractOptions {
  /** @default all */
  readonly entries?: readonly ZipEntry[] | undefined;
  /** Called with the number of further bytes written. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const LOCAL_HEADER_BYTES = 30;
const LOCAL_HEADER_SIGNATURE = 0x04034b50;
const READ_CHUNK_BYTES = 1 << 20;
const INFLATE_CHUNK_BYTES = 1 << 18;
/** The largest file of a CLUE data set has 60 MB. */
const DEFAULT_MAX_ENTRY_BYTES = 512 << 20;

/** Opens an archive and judges its directory (errors: see readZipDirectory). The caller closes it. */
export async function openZip(file: string, limits: ZipLimits = {}): Promise<ZipArchive> {
  const handle = await openFile(file);
  try {
    const { entries, dataEnd } = await readZipDirectory(handle, file, limits);
    const stream = (entry: ZipEntry): Readable =>
      Readable.from(entryChunks(handle, file, entry, dataEnd), { objectMode: false });
    return {
      file,
      entries,
      stream,
      extractTo: (folder, options) => extractTo(folder, options?.entries ?? entries, stream, options),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * One file out of a (data set) zip, found by its full path or, if that is unique, by its base name.
 * Throws NotFoundError when there is none, IntegrityError when it is larger than `maxBytes` (default 512 MiB).
 */
export async function readZipEntry(file: string, name: string, maxBytes = DEFAULT_MAX_ENTRY_BYTES): Promise<Buffer> {
  const archive = await openZip(file);
  try {
    const exact = archive.entries.filter((entry) => entry.path === name);
    const matches = exact.length ? exact : archive.entries.filter((entry) => path.posix.basename(entry.path) === name);
    const [entry] = matches;
    if (!entry || matches.length > 1)
      throw new NotFoundError(
        `${file}: expected one entry named ${JSON.stringify(name)}, found ${matches.length || 'none'} among ${archive.entries.length}: ${listNames(matches.length ? matches : archive.entries)}`,
        { code: entry ? 'ambiguous-entry' : 'entry-not-found', facts: { file, entry: name } },
      );
    if (entry.sizeBytes > maxBytes)
      throw unsafe(
        file,
        `entry ${JSON.stringify(entry.path)} has ${formatBytes(entry.sizeBytes)}; at most ${formatBytes(maxBytes)} are read into memory`,
        entry.path,
      );
    const chunks: Buffer[] = [];
    for await (const chunk of archive.stream(entry)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } finally {
    await archive.close();
  }
}

/** Where an entry's compressed bytes are in the archive; `end` is exclusive. Throws IntegrityError. */
export async function entryRange(
  access: RandomAccess,
  file: string,
  entry: ZipEntry,
  dataEnd: number,
): Promise<{ start: number; end: number }> {
  const label = labelOf(entry);
  const header = await readAt(access, entry.offset, LOCAL_HEADER_BYTES, file);
  if (header.readUInt32LE(0) !== LOCAL_HEADER_SIGNATURE)
    throw corrupt(file, `${label}: no local header at ${entry.offset}`);
  const start = entry.offset + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  const end = start + entry.compressedBytes;
  if (end > dataEnd) throw corrupt(file, `${label} reaches beyond the archive's data`);
  return { start, end };
}

/** An entry's bytes from its compressed ones; fails with IntegrityError where size or CRC-32 are not the declared ones. */
export async function* unpackEntry(
  compressed: AsyncIterable<Buffer>,
  entry: ZipEntry,
  file: string,
): AsyncGenerator<Buffer> {
  const label = labelOf(entry);
  let bytes = 0;
  let checksum = 0;
  for await (const chunk of entry.method === 'stored' ? compressed : inflated(compressed, entry, file)) {
    bytes += chunk.length;
    if (bytes > entry.sizeBytes)
      throw unsafe(file, `${label} declares ${entry.sizeBytes} bytes and unpacks to more`, entry.path);
    checksum = crc32(chunk, checksum);
    yield chunk;
  }
  if (bytes < entry.sizeBytes) throw corrupt(file, `${label} declares ${entry.sizeBytes} bytes and has ${bytes}`);
  if (checksum !== entry.crc32)
    throw new IntegrityError(`${file}: ${label}: expected CRC-32 ${hex(entry.crc32)}, found ${hex(checksum)}`, {
      code: 'crc-mismatch',
      hint: 'the archive is damaged: get it again',
      facts: { file, entry: entry.path, expected: hex(entry.crc32), found: hex(checksum) },
    });
}

// --- internal ---

async function* entryChunks(
  handle: FileHandle,
  file: string,
  entry: ZipEntry,
  dataEnd: number,
): AsyncGenerator<Buffer> {
  const { start, end } = await entryRange(handle, file, entry, dataEnd);
  yield* unpackEntry(readRange(handle, start, end, file), entry, file);
}

async function* inflated(compressed: AsyncIterable<Buffer>, entry: ZipEntry, file: string): AsyncGenerator<Buffer> {
  if (entry.compressedBytes === 0) return;
  const inflate = createInflateRaw({ chunkSize: INFLATE_CHUNK_BYTES });
  const input = Readable.from(compressed, { objectMode: false });
  input.on('error', (error) => inflate.destroy(error));
  input.pipe(inflate);
  try {
    yield* inflate as AsyncIterable<Buffer>;
  } catch (error) {
    if (error instanceof Error && /^(Z_|ERR_)/.test((error as NodeJS.ErrnoException).code ?? ''))
      throw corrupt(file, `${labelOf(entry)} cannot be inflated (${error.message})`, error);
    throw error;
  } finally {
    input.destroy();
  }
}

const labelOf = (entry: ZipEntry): string => `entry ${JSON.stringify(entry.path)}`;

async function openFile(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) throw new NotFoundError(`${file} does not exist`, { code: 'file-not-found' });
    throw error;
  }
}

async function* readRange(handle: FileHandle, start: number, end: number, file: string): AsyncGenerator<Buffer> {
  for (let at = start; at < end; at += READ_CHUNK_BYTES)
    yield await readAt(handle, at, Math.min(READ_CHUNK_BYTES, end - at), file);
}

async function extractTo(
  folder: string,
  entries: readonly ZipEntry[],
  stream: (entry: ZipEntry) => Readable,
  { signal, onBytes }: ExtractOptions = {},
): Promise<void> {
  for (const entry of entries) {
    signal?.throwIfAborted();
    const target = path.join(folder, entry.path); // safe: judged when the directory was read
    await mkdir(path.dirname(target), { recursive: true });
    try {
      await pipeline(
        counted(stream(entry), onBytes),
        createWriteStream(target, { flags: 'wx' }),
        signal ? { signal } : {},
      );
    } catch (error) {
      signal?.throwIfAborted();
      throw writeError(error, target);
    }
  }
}

async function* counted(source: AsyncIterable<Buffer>, onBytes: ExtractOptions['onBytes']): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    onBytes?.(chunk.length);
    yield chunk;
  }
}

function listNames(entries: readonly ZipEntry[]): string {
  const shown = entries.slice(0, 8).map((entry) => entry.path);
  return `${shown.join(', ')}${entries.length > shown.length ? ', …' : ''}`;
}

const hex = (value: number): string => value.toString(16).padStart(8, '0');
