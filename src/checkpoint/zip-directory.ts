/**
 * The entries of a zip archive as torch.save writes it: stored, not compressed, so that a tensor is a byte range.
 * Format: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3 (zip64). The central directory says what there is; where the
 * data begins follows from the local header, which must tell the same name and sizes.
 */
import type { ByteSource } from '../tensor/lazy-tensor.ts';
import { readBytes } from './file-source.ts';
import { corruptArchive, unsafePath } from './refusals.ts';

/** A checkpoint has one entry per storage: the 3.5B models about 500. */
const MAX_ENTRIES = 100_000;
/** torch.save writes `<file name>/data/<number>`; a file name has at most 255 bytes. */
const MAX_NAME_BYTES = 1024;
/** MAX_ENTRIES entries with names and fields of usual length. */
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;

const END_BYTES = 22;
const END64_BYTES = 56;
const LOCATOR_BYTES = 20;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
/** Where the end record can begin, counted from the end of the file: it ends with a comment of up to 65535 bytes. */
const MAX_TAIL_BYTES = END_BYTES + 0xffff;

const SIGNATURE = {
  local: 0x04034b50,
  descriptor: 0x08074b50,
  central: 0x02014b50,
  end64: 0x06064b50,
  locator: 0x07064b50,
  end: 0x06054b50,
} as const;

const FLAG_ENCRYPTED = 0x2041; // bits 0, 6 and 13: encryption, strong encryption, masked headers
const FLAG_DESCRIPTOR = 0x0008; // sizes follow the data
const ZIP64_FIELD = 0x0001;
const IN_ZIP64 = 0xffffffff;

export interface ZipEntry {
  readonly name: string;
  readonly sizeBytes: number;
  readonly crc32: number;
  /** Offset of the first byte of content in the file. */
  readonly dataStart: number;
}

/**
 * Reads and checks the directory of an archive. Entries are stored, have safe and distinct names, and do not overlap.
 * Throws IntegrityError: corrupt-archive, or unsafe-path for a name that leads out of the archive.
 */
export async function readZipDirectory(source: ByteSource): Promise<ReadonlyMap<string, ZipEntry>> {
  const end = await findEnd(source);
  const directory = await readBytes(source, end.directoryStart, end.directoryBytes);
  const central = parseCentral(source.name, directory, end.entryCount);
  const entries = new Map<string, ZipEntry>();
  const spans: Span[] = [];
  for (const entry of central) {
    if (entries.has(entry.name)) throw corruptArchive(source.name, `two entries are named ${quoted(entry.name)}`);
    const dataStart = await checkLocal(source, entry, end.directoryStart);
    const { name, sizeBytes, crc32 } = entry;
    entries.set(name, { name, sizeBytes, crc32, dataStart });
    spans.push({ name, start: entry.localStart, end: dataStart + sizeBytes });
  }
  requireApart(source.name, spans);
  return entries;
}

// --- internal ---

interface DirectoryEnd {
  readonly entryCount: number;
  readonly directoryStart: number;
  readonly directoryBytes: number;
}

interface CentralEntry {
  readonly name: string;
  readonly rawName: Uint8Array;
  readonly sizeBytes: number;
  readonly crc32: number;
  readonly flags: number;
  readonly localStart: number;
}

interface Span {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

const quoted = (name: string): string => JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);

async function findEnd(source: ByteSource): Promise<DirectoryEnd> {
  const tailStart = Math.max(0, source.sizeBytes - MAX_TAIL_BYTES);
  const tail = viewOf(await readBytes(source, tailStart, source.sizeBytes - tailStart));
  let at = tail.byteLength - END_BYTES;
  while (
    at >= 0 &&
    !(tail.getUint32(at, true) === SIGNATURE.end && at + END_BYTES + tail.getUint16(at + 20, true) === tail.byteLength)
  )
    at--;
  if (at < 0)
    throw corruptArchive(
      source.name,
      `the end of the zip archive is missing: no central directory in the last ${tail.byteLength} of ${source.sizeBytes} bytes, so the file is cut off`,
    );
  const end = {
    disk: tail.getUint16(at + 4, true),
    entryCount: tail.getUint16(at + 10, true),
    directoryBytes: tail.getUint32(at + 12, true),
    directoryStart: tail.getUint32(at + 16, true),
  };
  if (end.disk !== 0 && end.disk !== 0xffff) throw corruptArchive(source.name, 'the archive is one of several volumes');
  const endStart = tailStart + at;
  const end64 = await findEnd64(source, endStart);
  const needs64 = end.entryCount === 0xffff || end.directoryBytes === IN_ZIP64 || end.directoryStart === IN_ZIP64;
  if (needs64 && !end64) throw corruptArchive(source.name, 'the zip64 end record is missing');
  const { entryCount, directoryBytes, directoryStart } = end64 ?? end;
  const directoryEnd = end64?.start ?? endStart;
  if (directoryStart + directoryBytes !== directoryEnd)
    throw corruptArchive(
      source.name,
      `the central directory should end at byte ${directoryEnd}, but the end record puts it at ${directoryStart} with ${directoryBytes} bytes`,
    );
  if (entryCount > MAX_ENTRIES || directoryBytes > MAX_DIRECTORY_BYTES)
    throw corruptArchive(
      source.name,
      `${entryCount} entries in a directory of ${directoryBytes} bytes; at most ${MAX_ENTRIES} and ${MAX_DIRECTORY_BYTES} are read`,
    );
  return { entryCount, directoryBytes, directoryStart };
}

async function findEnd64(
  source: ByteSource,
  endStart: number,
): Promise<(DirectoryEnd & { start: number }) | undefined> {
  const locatorStart = endStart - LOCATOR_BYTES;
  if (locatorStart < END64_BYTES) return undefined;
  const locator = viewOf(await readBytes(source, locatorStart, LOCATOR_BYTES));
  if (locator.getUint32(0, true) !== SIGNATURE.locator) return undefined;
  const start = wide(source.name, locator, 8);
  if (start + END64_BYTES > locatorStart)
    throw corruptArchive(
      source.name,
      `the zip64 end record at byte ${start} lies beyond its locator at ${locatorStart}`,
    );
  const record = viewOf(await readBytes(source, start, END64_BYTES));
  if (record.getUint32(0, true) !== SIGNATURE.end64)
    throw corruptArchive(source.name, `no zip64 end record at byte ${start}, where its locator points`);
  const entryCount = wide(source.name, record, 32);
  const directoryBytes = wide(source.name, record, 40);
  const directoryStart = wide(source.name, record, 48);
  return { start, entryCount, directoryBytes, directoryStart };
}

function parseCentral(file: string, directory: Uint8Array, count: number): CentralEntry[] {
  const view = viewOf(directory);
  const entries: CentralEntry[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_BYTES > view.byteLength || view.getUint32(at, true) !== SIGNATURE.central)
      throw corruptArchive(file, `entry ${i} of ${count} is missing from the central directory`);
    const nameBytes = view.getUint16(at + 28, true);
    const extraBytes = view.getUint16(at + 30, true);
    const commentBytes = view.getUint16(at + 32, true);
    const next = at + CENTRAL_BYTES + nameBytes + extraBytes + commentBytes;
    if (next > view.byteLength)
      throw corruptArchive(file, `entry ${i} of ${count} reaches beyond the central directory`);
    const rawName = directory.subarray(at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes);
    const name = safeName(file, rawName);
    const where = `${file}, entry ${quoted(name)}`;
    const flags = view.getUint16(at + 8, true);
    requireStored(where, flags, view.getUint16(at + 10, true));
    const extra = directory.subarray(at + CENTRAL_BYTES + nameBytes, at + CENTRAL_BYTES + nameBytes + extraBytes);
    const wideValues = zip64Values(where, extra);
    const value = (told: number): number => (told === IN_ZIP64 ? wideValues() : told);
    const sizeBytes = value(view.getUint32(at + 24, true)); // the zip64 field holds: size, packed size, offset
    const packedBytes = value(view.getUint32(at + 20, true));
    const localStart = value(view.getUint32(at + 42, true));
    if (packedBytes !== sizeBytes)
      throw corruptArchive(where, `stored, but ${packedBytes} bytes stand for ${sizeBytes}`);
    entries.push({ name, rawName, sizeBytes, crc32: view.getUint32(at + 16, true), flags, localStart });
    at = next;
  }
  if (at !== view.byteLength)
    throw corruptArchive(
      file,
      `${view.byteLength - at} bytes of the central directory belong to none of its ${count} entries`,
    );
  return entries;
}

/** Checks a local header against the directory; returns where the content begins. */
async function checkLocal(source: ByteSource, entry: CentralEntry, limit: number): Promise<number> {
  const where = `${source.name}, entry ${quoted(entry.name)}`;
  const namedBytes = LOCAL_BYTES + entry.rawName.length;
  if (entry.localStart + namedBytes > limit)
    throw corruptArchive(
      where,
      `its header at byte ${entry.localStart} lies beyond the entries, which end at ${limit}`,
    );
  const header = await readBytes(source, entry.localStart, namedBytes);
  const view = viewOf(header);
  if (view.getUint32(0, true) !== SIGNATURE.local) throw corruptArchive(where, `no header at byte ${entry.localStart}`);
  const flags = view.getUint16(6, true);
  requireStored(where, flags, view.getUint16(8, true));
  const name = header.subarray(LOCAL_BYTES);
  if (view.getUint16(26, true) !== name.length || !name.every((byte, i) => byte === entry.rawName[i]))
    throw corruptArchive(where, 'the header before the data has another name than the central directory');
  const extraBytes = view.getUint16(28, true);
  const dataStart = entry.localStart + namedBytes + extraBytes;
  if (dataStart + entry.sizeBytes > limit)
    throw corruptArchive(
      where,
      `its ${entry.sizeBytes} bytes from byte ${dataStart} on reach beyond the entries, which end at ${limit}`,
    );
  const extra = await readBytes(source, entry.localStart + namedBytes, extraBytes);
  const wideValues = zip64Values(where, extra);
  const sizes = [22, 18].map((at) => {
    const told = view.getUint32(at, true);
    return told === IN_ZIP64 ? wideValues() : told;
  });
  const later = (flags & FLAG_DESCRIPTOR) !== 0 && sizes.every((size) => size === 0);
  if (later) await checkDescriptor(source, where, entry, dataStart + entry.sizeBytes, limit);
  else if (sizes.some((size) => size !== entry.sizeBytes))
    throw corruptArchive(
      where,
      `the header before the data tells ${sizes[0]} bytes, the central directory ${entry.sizeBytes}`,
    );
  return dataStart;
}

/** The sizes after the data, in 4 or 8 bytes each; torch.save writes them here. */
async function checkDescriptor(
  source: ByteSource,
  where: string,
  entry: CentralEntry,
  start: number,
  limit: number,
): Promise<void> {
  const available = Math.min(24, limit - start);
  const view = viewOf(await readBytes(source, start, available));
  const narrow =
    available >= 16 && view.getUint32(8, true) === entry.sizeBytes && view.getUint32(12, true) === entry.sizeBytes;
  const fits =
    narrow ||
    (available >= 24 && wide(where, view, 8) === entry.sizeBytes && wide(where, view, 16) === entry.sizeBytes);
  if (!fits || view.getUint32(0, true) !== SIGNATURE.descriptor || view.getUint32(4, true) !== entry.crc32)
    throw corruptArchive(where, `the sizes after the data, at byte ${start}, differ from the central directory`);
}

/** The 8-byte values of the zip64 field, in order, one per call. */
function zip64Values(where: string, extra: Uint8Array): () => number {
  const view = viewOf(extra);
  let at = 0;
  let end = 0;
  for (let field = 0; field + 4 <= view.byteLength; ) {
    const fieldEnd = field + 4 + view.getUint16(field + 2, true);
    if (view.getUint16(field, true) === ZIP64_FIELD) [at, end] = [field + 4, Math.min(fieldEnd, view.byteLength)];
    field = fieldEnd;
  }
  return () => {
    if (at + 8 > end) throw corruptArchive(where, 'a size or offset is missing from its zip64 field');
    at += 8;
    return wide(where, view, at - 8);
  };
}

function requireStored(where: string, flags: number, method: number): void {
  if (flags & FLAG_ENCRYPTED) throw corruptArchive(where, 'encrypted; torch.save never encrypts');
  if (method !== 0)
    throw corruptArchive(
      where,
      `compressed (method ${method}); torch.save stores its records, and only stored ones can be read in place`,
      'unpack the archive and save it again with torch.save, or with zip -0',
    );
}

function safeName(file: string, raw: Uint8Array): string {
  if (raw.length === 0 || raw.length > MAX_NAME_BYTES)
    throw corruptArchive(file, `an entry's name has ${raw.length} bytes; expected 1 to ${MAX_NAME_BYTES}`);
  let name: string;
  try {
    name = new TextDecoder('utf-8', { fatal: true }).decode(raw);
  } catch {
    throw corruptArchive(file, `an entry's name is not UTF-8: ${Buffer.from(raw).toString('latin1').slice(0, 200)}`);
  }
  const escapes = name.startsWith('/') || /^[A-Za-z]:/.test(name) || name.split(/[\\/]/).includes('..');
  if (escapes || /[\\\x00-\x1f\x7f]/.test(name))
    throw unsafePath(file, `the archive has an entry named ${quoted(name)}, which leads out of it or hides something`);
  return name;
}

function requireApart(file: string, spans: Span[]): void {
  const sorted = spans.toSorted((a, b) => a.start - b.start);
  for (const [i, span] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next && next.start < span.end)
      throw corruptArchive(file, `entries ${quoted(span.name)} and ${quoted(next.name)} overlap at byte ${next.start}`);
  }
}

/** An unsigned 64-bit number. No file is larger than 2^53 bytes, so a greater number is damage. */
function wide(where: string, view: DataView, at: number): number {
  const value = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
  if (!Number.isSafeInteger(value)) throw corruptArchive(where, `a size or offset of ${value} bytes is impossible`);
  return value;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
