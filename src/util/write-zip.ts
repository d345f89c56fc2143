/** Writes small zip archives (APPNOTE 6.3.9): deflated entries, UTF-8 names, a fixed date, so that equal files give equal bytes. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipFile {
  /** Path inside the archive, with "/". */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END_OF_DIRECTORY = 0x06054b50;
const VERSION = 20;
const UTF8_NAMES = 0x0800;
const DEFLATE = 8;
/** 1 January 1980, the first date of the format. */
const DATE = 0x0021;
/** Beyond this the format needs Zip64. */
const MAX_BYTES = 0xffffffff;
const MAX_ENTRIES = 0xffff;

/** The archive's bytes, whole. Throws RangeError for what needs Zip64: submissions have a few MB. */
export function zipBytes(files: readonly ZipFile[]): Buffer {
  if (files.length > MAX_ENTRIES)
    throw new RangeError(`expected at most ${MAX_ENTRIES} entries, found ${files.length}`);
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const { name, bytes } of files) {
    const title = Buffer.from(name);
    const packed = deflateRawSync(bytes);
    const common = Buffer.alloc(26); // what local and central headers share, from "version needed" on
    common.writeUInt16LE(VERSION, 0);
    common.writeUInt16LE(UTF8_NAMES, 2);
    common.writeUInt16LE(DEFLATE, 4);
    common.writeUInt16LE(0, 6);
    common.writeUInt16LE(DATE, 8);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(title.length, 22);
    locals.push(uint32(LOCAL_HEADER), common, title, packed);
    const rest = Buffer.alloc(14); // comment length, disk, attributes, offset
    rest.writeUInt32LE(offset, 10);
    central.push(uint32(CENTRAL_HEADER), uint16(VERSION), common, rest, title);
    offset += 4 + common.length + title.length + packed.length;
    if (offset > MAX_BYTES) throw new RangeError(`expected an archive below 4 GiB, found more`);
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, directory, uint32(END_OF_DIRECTORY), end]);
}

// --- internal ---

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}
