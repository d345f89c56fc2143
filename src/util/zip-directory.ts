/**
 * The list of a zip's entries, from bytes nobody vouches for. The end records are found and bounded here, the central
 * directory itself is parsed by unzipper, then every entry is judged. Format: PKWARE APPNOTE.TXT 6.3, sections 4.3-4.5.
 */
import { Readable } from 'node:stream';
import { type CentralDirectory, Open, type File as UnzipperFile } from 'unzipper';
import { IntegrityError, messageOf, UnsupportedError } from './errors.ts';
import { formatBytes } from './format.ts';
import { foldPath, isSystemLitter, unsafePathReason } from './relative-path.ts';

export interface ZipEntry {
  /** Relative path with `/` between segments, checked by `unsafePathReason`. */
  readonly path: string;
  /** Declared unpacked size; the stream is cut off with an error where it says otherwise. */
  readonly sizeBytes: number;
  readonly compressedBytes: number;
  readonly method: 'stored' | 'deflated';
  readonly crc32: number;
  /** Offset of the local file header in the archive. */
  readonly offset: number;
}

export interface ZipLimits {
  /** @default 10_000: the largest archive here, a data set, has a few dozen entries */
  readonly maxEntries?: number | undefined;
  /** Sum of the unpacked sizes. @default 64 GB: four times the largest published checkpoint */
  readonly maxTotalBytes?: number | undefined;
}

export interface ZipDirectory {
  readonly entries: readonly ZipEntry[];
  /** Offset of the central directory: the data of every entry ends before it. */
  readonly dataEnd: number;
}

/** What a directory is read from: a file handle, or the same over the network. */
export interface RandomAccess {
  stat(): Promise<{ readonly size: number }>;
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
}

export const DEFAULT_LIMITS = { maxEntries: 10_000, maxTotalBytes: 64e9 };
/** Weights deflate to 50-95 %, texts to 20 %; deflate's own limit is 1032 : 1. Small files may be as empty as they like. */
export const MAX_RATIO = 200;
export const RATIO_MATTERS_FROM_BYTES = 1 << 20;
/** 10 000 entries with names, zip64 fields and comments of a kilobyte each would have 10 MB. */
export const MAX_DIRECTORY_BYTES = 64 << 20;
const ENTRY_HEADER_BYTES = 46;
const END_RECORD_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const ZIP64_LOCATOR_BYTES = 20;
const ZIP64_RECORD_BYTES = 56;
/** Of the records. */
const SIGNATURE = { entry: 0x02014b50, end: 0x06054b50, zip64Locator: 0x07064b50, zip64Record: 0x06064b50 };
const FLAG = { encrypted: 1 << 0, strongEncryption: 1 << 6, utf8: 1 << 11, maskedHeaders: 1 << 13 };
const METHODS: Readonly<Record<number, ZipEntry['method']>> = { 0: 'stored', 8: 'deflated' };
const METHOD_NAMES: Readonly<Record<number, string>> = {
  9: 'Deflate64',
  12: 'bzip2',
  14: 'LZMA',
  93: 'Zstandard',
  95: 'xz',
  99: 'AES',
};
/** Unix file types in the upper half of the external attributes (stat.h, S_IFMT). */
const FILE_TYPE = { mask: 0o170000, none: 0, regular: 0o100000, directory: 0o040000, symlink: 0o120000 };
/** unzipper takes options here which its types do not know. */
const parseDirectory = Open.custom as unknown as (
  source: { size: () => Promise<number>; stream: (offset: number, length?: number) => Readable },
  options: { tailSize: number },
) => Promise<CentralDirectory>;

/**
 * Reads and judges the directory. `file` is named in errors. Throws IntegrityError: "corrupt-archive" (truncated or no
 * zip), "unsafe-archive" (a path, type or size which only an attack or a broken tool writes), "encrypted-archive";
 * UnsupportedError for compression methods other than stored and deflated.
 */
export async function readZipDirectory(
  handle: RandomAccess,
  file: string,
  limits: ZipLimits = {},
): Promise<ZipDirectory> {
  const maxEntries = limits.maxEntries ?? DEFAULT_LIMITS.maxEntries;
  const maxTotalBytes = limits.maxTotalBytes ?? DEFAULT_LIMITS.maxTotalBytes;
  const end = await findEnd(handle, file);
  if (end.numberOfEntries > maxEntries)
    throw unsafe(file, `declares ${end.numberOfEntries} entries; at most ${maxEntries} are taken`);
  if (end.numberOfEntries * ENTRY_HEADER_BYTES > end.size)
    throw corrupt(file, `${end.numberOfEntries} entries do not fit into a directory of ${end.size} bytes`);
  if (end.size > MAX_DIRECTORY_BYTES) throw unsafe(file, `has a directory of ${formatBytes(end.size)}`);

  // unzipper gets the bytes from the directory to the end record, so that no stream of its own stays open on the file.
  const bytes = await readAt(handle, end.offset, end.endOffset + END_RECORD_BYTES - end.offset, file);
  bytes.writeUInt16LE(0, bytes.length - 2); // the comment is not part of these bytes
  let directory: { files: UnzipperFile[] };
  try {
    directory = await parseDirectory(
      {
        size: async () => end.endOffset + END_RECORD_BYTES,
        stream: (offset, length) =>
          Readable.from([bytes.subarray(Math.max(0, offset - end.offset)).subarray(0, length)], { objectMode: false }),
      },
      { tailSize: END_RECORD_BYTES },
    ).then(async ({ files }) => ({ files: await files }));
  } catch (error) {
    throw corrupt(file, `its directory cannot be read (${messageOf(error)})`, error);
  }
  return { entries: judgeEntries(directory.files, file, end.offset, maxTotalBytes), dataEnd: end.offset };
}

export function corrupt(file: string, what: string, cause?: unknown): IntegrityError {
  return new IntegrityError(`${file}: ${what}`, {
    code: 'corrupt-archive',
    hint: 'the archive is truncated or damaged: get it again',
    facts: { file },
    cause,
  });
}

export function unsafe(file: string, what: string, entry?: string): IntegrityError {
  return new IntegrityError(`${file}: ${what}`, {
    code: 'unsafe-archive',
    hint: 'nothing was unpacked; an honest archive has no such entries, get it from another place',
    facts: { file, ...(entry !== undefined && { entry }) },
  });
}

// --- end records ---

interface EndRecord {
  readonly numberOfEntries: number;
  /** Of the central directory, in bytes. */
  readonly size: number;
  readonly offset: number;
  /** Where the end-of-central-directory record begins. */
  readonly endOffset: number;
}

async function findEnd(handle: RandomAccess, file: string): Promise<EndRecord> {
  const fileBytes = (await handle.stat()).size;
  const tailStart = Math.max(0, fileBytes - END_RECORD_BYTES - MAX_COMMENT_BYTES);
  const tail = await readAt(handle, tailStart, fileBytes - tailStart, file);
  let at = tail.length - END_RECORD_BYTES;
  // The comment must reach to the last byte: a signature inside a comment or a nested zip does not.
  while (
    at >= 0 &&
    !(tail.readUInt32LE(at) === SIGNATURE.end && tail.readUInt16LE(at + 20) === tail.length - at - END_RECORD_BYTES)
  )
    at--;
  if (at < 0) throw corrupt(file, 'no end-of-directory record: not a zip, or truncated');
  const endOffset = tailStart + at;
  const plain = {
    disk: tail.readUInt16LE(at + 4),
    numberOfEntries: tail.readUInt16LE(at + 10),
    size: tail.readUInt32LE(at + 12),
    offset: tail.readUInt32LE(at + 16),
  };
  const isZip64 = plain.disk === 0xffff || plain.numberOfEntries === 0xffff || plain.offset === 0xffffffff;
  const end = isZip64 ? await readZip64End(handle, file, endOffset) : { ...plain, limit: endOffset };
  if (end.disk !== 0)
    throw new UnsupportedError(`${file}: part of an archive split over several files`, {
      code: 'split-archive',
      hint: 'join the parts first (7z x, or zip -s 0 in.zip --out joined.zip)',
    });
  if (end.offset + end.size > end.limit)
    throw corrupt(file, `its directory (offset ${end.offset}, ${end.size} bytes) reaches beyond ${end.limit}`);
  return { numberOfEntries: end.numberOfEntries, size: end.size, offset: end.offset, endOffset };
}

async function readZip64End(handle: RandomAccess, file: string, endOffset: number) {
  const locatorOffset = endOffset - ZIP64_LOCATOR_BYTES;
  if (locatorOffset < 0) throw corrupt(file, 'no zip64 locator before the end record');
  const locator = await readAt(handle, locatorOffset, ZIP64_LOCATOR_BYTES, file);
  if (locator.readUInt32LE(0) !== SIGNATURE.zip64Locator) throw corrupt(file, 'no zip64 locator before the end record');
  const recordOffset = Number(locator.readBigUInt64LE(8));
  if (recordOffset + ZIP64_RECORD_BYTES > locatorOffset) throw corrupt(file, `zip64 end record at ${recordOffset}`);
  const record = await readAt(handle, recordOffset, ZIP64_RECORD_BYTES, file);
  if (record.readUInt32LE(0) !== SIGNATURE.zip64Record) throw corrupt(file, `no zip64 end record at ${recordOffset}`);
  return {
    disk: record.readUInt32LE(16),
    numberOfEntries: Number(record.readBigUInt64LE(32)),
    size: Number(record.readBigUInt64LE(40)),
    offset: Number(record.readBigUInt64LE(48)),
    limit: recordOffset,
  };
}

/** Reads exactly `length` bytes; a file that ends before is a truncated archive. */
export async function readAt(handle: RandomAccess, position: number, length: number, file: string): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) throw corrupt(file, `ends at ${position + done}, expected ${length} bytes from ${position}`);
    done += bytesRead;
  }
  return bytes;
}

// --- entries ---

function judgeEntries(
  files: readonly UnzipperFile[],
  file: string,
  dataEnd: number,
  maxTotalBytes: number,
): ZipEntry[] {
  const entries: ZipEntry[] = [];
  const seen = new Map<string, string>(); // folded path → path as written
  let totalBytes = 0;
  for (const raw of files) {
    if (raw.signature !== SIGNATURE.entry)
      throw corrupt(file, `entry ${entries.length + 1} of its directory is damaged`);
    const name = decodeName(raw.flags, Buffer.from(raw.pathBuffer), file); // unzipper has "" for a name without bytes
    if (isSystemLitter(name)) continue;
    const label = `entry ${JSON.stringify(name)}`;
    const isFolder = name.endsWith('/');
    const bare = isFolder ? name.slice(0, -1) : name;
    const reason = unsafePathReason(bare) ?? unsafeTypeReason(raw, isFolder);
    if (reason) throw unsafe(file, `${label}: ${reason}`, name);
    if (isFolder) continue;
    const twin = seen.get(foldPath(bare));
    if (twin !== undefined)
      throw unsafe(
        file,
        `${label}: the name is there twice${twin === bare ? '' : ` (as ${JSON.stringify(twin)})`}`,
        name,
      );
    seen.set(foldPath(bare), bare);
    const entry = judgeEntry(raw, bare, file, dataEnd);
    totalBytes += entry.sizeBytes;
    if (totalBytes > maxTotalBytes)
      throw unsafe(file, `${label}: unpacked, the archive would have more than ${formatBytes(maxTotalBytes)}`, name);
    entries.push(entry);
  }
  refuseFilesAsFolders(entries, seen, file);
  refuseOverlaps(files, file);
  return entries;
}

/** UTF-8 when flagged; else UTF-8 if the bytes are that, else GBK, in which zips made on Chinese Windows are named. */
export function decodeName(flags: number, bytes: Buffer, file: string): string {
  const flagged = (flags & FLAG.utf8) !== 0;
  for (const encoding of flagged ? ['utf-8'] : ['utf-8', 'gbk']) {
    try {
      return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      // Not this encoding; the next one, or the error below.
    }
  }
  const hex = bytes.toString('hex').slice(0, 80);
  throw unsafe(file, `an entry's name is neither UTF-8${flagged ? ', as it is flagged' : ' nor GBK'}: bytes ${hex}`);
}

function unsafeTypeReason(raw: UnzipperFile, isFolder: boolean): string | undefined {
  const type = (raw.externalFileAttributes >>> 16) & FILE_TYPE.mask;
  if (type === FILE_TYPE.symlink) return 'a symbolic link';
  const expected = isFolder ? FILE_TYPE.directory : FILE_TYPE.regular;
  return type === FILE_TYPE.none || type === expected
    ? undefined
    : `file type 0${type.toString(8)}, not a regular file`;
}

/** How an entry is compressed, by its header's flags and method. Throws when that is no way that is read here. */
export function methodOf(flags: number, number: number, name: string, file: string): ZipEntry['method'] {
  const label = `entry ${JSON.stringify(name)}`;
  if (flags & (FLAG.encrypted | FLAG.strongEncryption | FLAG.maskedHeaders))
    throw new IntegrityError(`${file}: ${label} is encrypted`, {
      code: 'encrypted-archive',
      hint: 'unpack it with its password and import the folder',
      facts: { file, entry: name },
    });
  const method = METHODS[number];
  if (method) return method;
  const methodName = METHOD_NAMES[number] ?? `method ${number}`;
  throw new UnsupportedError(`${file}: ${label} is compressed with ${methodName}; stored and deflated are read`, {
    code: 'unsupported-compression',
    hint: 'unpack it with 7-Zip and import the folder',
    facts: { file, entry: name, method: number },
  });
}

function judgeEntry(raw: UnzipperFile, name: string, file: string, dataEnd: number): ZipEntry {
  const label = `entry ${JSON.stringify(name)}`;
  const method = methodOf(raw.flags, raw.compressionMethod, name, file);
  const { uncompressedSize: sizeBytes, compressedSize: compressedBytes, offsetToLocalFileHeader: offset } = raw;
  for (const value of [sizeBytes, compressedBytes, offset])
    if (!Number.isSafeInteger(value)) throw corrupt(file, `${label}: its zip64 sizes are missing or absurd`);
  if (offset + 30 + compressedBytes > dataEnd) throw corrupt(file, `${label} reaches beyond the archive's data`);
  if (method === 'stored' && sizeBytes !== compressedBytes)
    throw corrupt(file, `${label} is stored, yet ${compressedBytes} bytes are said to become ${sizeBytes}`);
  if (sizeBytes > RATIO_MATTERS_FROM_BYTES && sizeBytes > compressedBytes * MAX_RATIO)
    throw unsafe(
      file,
      `${label}: ${compressedBytes} bytes would unpack to ${formatBytes(sizeBytes)} (a zip bomb)`,
      name,
    );
  return { path: name, sizeBytes, compressedBytes, method, crc32: raw.crc32, offset };
}

function refuseFilesAsFolders(entries: readonly ZipEntry[], seen: ReadonlyMap<string, string>, file: string): void {
  for (const { path } of entries)
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1))
      if (seen.has(foldPath(path.slice(0, slash))))
        throw unsafe(
          file,
          `entry ${JSON.stringify(path)}: ${JSON.stringify(path.slice(0, slash))} is also a file`,
          path,
        );
}

/** Entries that share bytes let a small archive unpack to anything (D. Fifield, "A better zip bomb", 2019). */
function refuseOverlaps(files: readonly UnzipperFile[], file: string): void {
  const spans = files
    .map((f) => ({ start: f.offsetToLocalFileHeader, end: f.offsetToLocalFileHeader + 30 + f.compressedSize }))
    .sort((a, b) => a.start - b.start);
  for (let i = 1; i < spans.length; i++)
    if (spans[i]!.start < spans[i - 1]!.end) throw unsafe(file, `its entries overlap at byte ${spans[i]!.start}`);
}
