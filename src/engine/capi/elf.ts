/** Which shared libraries an ELF file (Linux, 64 bit, little-endian) asks for. Format: elf(5). */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { IntegrityError } from '../../util/errors.ts';

const PT_LOAD = 1n;
const PT_DYNAMIC = 2n;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;
const DT_STRSZ = 10n;

/** The largest tables of real libraries are a few hundred kilobytes. */
const MAX_TABLE_BYTES = 16n << 20n;

interface Segment {
  readonly type: bigint;
  readonly offset: bigint;
  readonly address: bigint;
  readonly size: bigint;
}

/** The DT_NEEDED entries in their order, such as "libcudart.so.13". Throws IntegrityError for anything but such a file. */
export function neededLibraries(file: string): string[] {
  const handle = openSync(file, 'r');
  try {
    const fileSize = BigInt(fstatSync(handle).size);
    const read = (offset: bigint, size: bigint): Buffer => {
      if (size > MAX_TABLE_BYTES || offset + size > fileSize) throw malformed(file, `${size} bytes at ${offset}`);
      const bytes = Buffer.alloc(Number(size));
      readSync(handle, bytes, 0, bytes.length, Number(offset));
      return bytes;
    };
    const segments = readSegments(file, read);
    const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
    if (!dynamic) return [];
    const entries = pairsOf(read(dynamic.offset, dynamic.size));
    const entryOf = (tag: bigint): bigint | undefined => entries.find(([found]) => found === tag)?.[1];
    const [table, size] = [entryOf(DT_STRTAB), entryOf(DT_STRSZ)];
    const holder = segments.find(
      (segment) =>
        segment.type === PT_LOAD &&
        table !== undefined &&
        table >= segment.address &&
        table < segment.address + segment.size,
    );
    if (table === undefined || size === undefined || !holder) throw malformed(file, 'no table of names');
    const names = read(table - holder.address + holder.offset, size);
    return entries.filter(([tag]) => tag === DT_NEEDED).map(([, at]) => textAt(names, Number(at)));
  } finally {
    closeSync(handle);
  }
}

// --- internal ---

function readSegments(file: string, read: (offset: bigint, size: bigint) => Buffer): Segment[] {
  const header = read(0n, 64n);
  // magic, ELFCLASS64, ELFDATA2LSB
  if (header.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') throw malformed(file, 'another magic number');
  const size = BigInt(header.readUInt16LE(54));
  const table = read(header.readBigUInt64LE(32), size * BigInt(header.readUInt16LE(56)));
  if (size < 56n) throw malformed(file, `program headers of ${size} bytes`);
  return Array.from({ length: table.length / Number(size) }, (_, i) => {
    const at = i * Number(size);
    return {
      type: BigInt(table.readUInt32LE(at)),
      offset: table.readBigUInt64LE(at + 8),
      address: table.readBigUInt64LE(at + 16),
      size: table.readBigUInt64LE(at + 32),
    };
  });
}

function pairsOf(bytes: Buffer): [tag: bigint, value: bigint][] {
  return Array.from({ length: Math.floor(bytes.length / 16) }, (_, i) => [
    bytes.readBigUInt64LE(16 * i),
    bytes.readBigUInt64LE(16 * i + 8),
  ]);
}

function textAt(names: Buffer, start: number): string {
  const end = names.indexOf(0, start);
  return names.toString('utf8', start, end < 0 ? names.length : end);
}

function malformed(file: string, found: string): IntegrityError {
  return new IntegrityError(`${file}: expected a 64-bit Linux library (ELF), found ${found}`, {
    code: 'malformed-library',
  });
}
