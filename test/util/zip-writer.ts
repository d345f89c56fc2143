/** Writes zips byte by byte, honest or not: every field of an entry can be made to lie. PKWARE APPNOTE.TXT 4.3. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface EntryToWrite {
  /** Bytes for names in other encodings than UTF-8. */
  readonly name: string | Buffer;
  readonly data?: Buffer | string;
  /** 0 stored, 8 deflated; other numbers are only written into the headers. @default 8 */
  readonly method?: number;
  /** @default bit 11 (UTF-8) for names that are strings */
  readonly flags?: number;
  readonly externalAttributes?: number;
  /** Declared values, where they should not be the true ones. */
  readonly crc32?: number;
  readonly sizeBytes?: number;
  readonly compressedBytes?: number;
  readonly offset?: number;
  /** Sizes and CRC-32 behind the data, with or without the signature before them, instead of in the local header. */
  readonly descriptor?: 'signed' | 'bare' | 'wide';
  /** Of the local header and the data: left out of the directory. */
  readonly isUnlisted?: boolean;
  /** Sizes and offset in a zip64 extra field. */
  readonly zip64?: boolean;
}

export interface ZipToWrite {
  readonly comment?: string;
  /** Entries the end record declares. */
  readonly numberOfEntries?: number;
  readonly diskNumber?: number;
  /** Adds zip64 end records. */
  readonly zip64?: boolean;
}

export const SYMLINK = (0o120777 << 16) >>> 0;
export const FIFO = (0o010644 << 16) >>> 0;

export function writeZip(entries: readonly EntryToWrite[], options: ZipToWrite = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let position = 0;
  for (const entry of entries) {
    const name = Buffer.isBuffer(entry.name) ? entry.name : Buffer.from(entry.name);
    const data = Buffer.from(entry.data ?? '');
    const method = entry.method ?? 8;
    const body = method === 8 ? deflateRawSync(data) : data;
    const fields = {
      flags: (entry.flags ?? (Buffer.isBuffer(entry.name) ? 0 : 1 << 11)) | (entry.descriptor ? 1 << 3 : 0),
      method,
      crc: entry.crc32 ?? crc32(data),
      compressed: entry.compressedBytes ?? body.length,
      size: entry.sizeBytes ?? data.length,
    };
    const offset = entry.offset ?? position;
    const localFields = entry.descriptor ? { ...fields, crc: 0, compressed: 0, size: 0 } : fields;
    const local = Buffer.concat([
      ...[Buffer.from('504b0304', 'hex'), u16(20), common(localFields, name, 0), name, body],
      ...(entry.descriptor ? descriptor(entry.descriptor, fields) : []),
    ]);
    const extra = entry.zip64
      ? Buffer.concat([u16(1), u16(24), u64(fields.size), u64(fields.compressed), u64(offset)])
      : Buffer.alloc(0);
    const declared = entry.zip64 ? { ...fields, size: 0xffffffff, compressed: 0xffffffff } : fields;
    parts.push(local);
    position += local.length;
    if (entry.isUnlisted) continue;
    directory.push(
      Buffer.concat([
        Buffer.from('504b0102', 'hex'),
        u16(0x031e), // made on Unix
        u16(20),
        common(declared, name, extra.length),
        u16(0), // comment
        u16(0), // disk
        u16(0), // internal attributes
        u32(entry.externalAttributes ?? 0),
        u32(entry.zip64 ? 0xffffffff : offset),
        name,
        extra,
      ]),
    );
  }
  const directoryBytes = Buffer.concat(directory);
  return Buffer.concat([
    ...parts,
    directoryBytes,
    endRecords(directory.length, directoryBytes.length, position, options),
  ]);
}

interface Fields {
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly compressed: number;
  readonly size: number;
}

function descriptor(kind: 'signed' | 'bare' | 'wide', { crc, compressed, size }: Fields): Buffer[] {
  const signature = kind === 'bare' ? [] : [Buffer.from('504b0708', 'hex')];
  const sizes = kind === 'wide' ? [u64(compressed), u64(size)] : [u32(compressed), u32(size)];
  return [...signature, u32(crc), ...sizes];
}

function common({ flags, method, crc, compressed, size }: Fields, name: Buffer, extraLength: number): Buffer {
  const lengths = [u16(name.length), u16(extraLength)];
  return Buffer.concat([u16(flags), u16(method), u32(0), u32(crc), u32(compressed), u32(size), ...lengths]);
}

function endRecords(count: number, size: number, offset: number, options: ZipToWrite): Buffer {
  const declared = options.numberOfEntries ?? count;
  const comment = Buffer.from(options.comment ?? '');
  const end = (disk: number, entries: number, at: number): Buffer =>
    Buffer.concat([
      Buffer.from('504b0506', 'hex'),
      ...[u16(disk), u16(disk), u16(entries), u16(entries), u32(size), u32(at), u16(comment.length), comment],
    ]);
  if (!options.zip64) return end(options.diskNumber ?? 0, declared, offset);
  const record = [Buffer.from('504b0606', 'hex'), u64(44), u16(45), u16(45), u32(0), u32(0)];
  const counts = [u64(declared), u64(declared), u64(size), u64(offset)];
  const locator = [Buffer.from('504b0607', 'hex'), u32(0), u64(offset + size), u32(1)];
  return Buffer.concat([...record, ...counts, ...locator, end(0, 0xffff, 0xffffffff)]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
