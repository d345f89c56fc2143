/**
 * Writes what torch.save writes, streamed: a zip of stored records `archive/data.pkl`, `archive/data/<key>`,
 * `archive/version`, each record's content at a multiple of 64 bytes. After torch/serialization.py (_save) and
 * caffe2/serialize/inline_container.cc; zip64 where an offset needs it (PKWARE APPNOTE.TXT 4.3, 4.5.3).
 */
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { type Field, littleEndian } from './little-endian.ts';
import type { StoredDtype } from './random-numbers.ts';

const ALIGNMENT = 64;
/** The extra field in which torch hides its padding. */
const PADDING_FIELD = 0x4246;
const ZIP64_FIELD = 0x0001;
const IN_ZIP64 = 0xffffffff;

/** One stretch of numbers in the file. */
export interface StorageRecord {
  readonly count: number;
  bytes(): Iterable<Uint8Array>;
}

/** A tensor: a window of one storage. Offset and strides in elements. */
export interface TensorView {
  readonly name: string;
  /** Index of the storage, which is also its key. */
  readonly storage: number;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Writes the file; returns its size in bytes. */
export async function writeTorchArchive(
  file: string,
  dtype: StoredDtype,
  storages: readonly StorageRecord[],
  views: readonly TensorView[],
): Promise<number> {
  const archive = new Archive(await open(file, 'wx'));
  try {
    await archive.record('archive/data.pkl', [pickleViews(dtype, storages, views)]);
    for (const [key, storage] of storages.entries()) await archive.record(`archive/data/${key}`, storage.bytes());
    await archive.record('archive/version', [Buffer.from('3\n')]);
    return await archive.finish();
  } finally {
    await archive.close();
  }
}

// --- internal ---

interface Entry {
  readonly name: string;
  readonly start: number;
  readonly size: number;
  readonly sum: number;
}

class Archive {
  readonly #handle: FileHandle;
  readonly #entries: Entry[] = [];
  #position = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Content first, then the header before it, which needs the checksum. */
  async record(name: string, chunks: Iterable<Uint8Array>): Promise<void> {
    const start = this.#position;
    const headerBytes = 30 + name.length + 4; // with an empty padding field
    const padding = (ALIGNMENT - ((start + headerBytes) % ALIGNMENT)) % ALIGNMENT;
    const dataStart = start + headerBytes + padding;
    this.#position = dataStart;
    let sum = 0;
    for (const chunk of chunks) {
      sum = crc32(chunk, sum);
      await this.#append(chunk);
    }
    const entry = { name, start, size: this.#position - dataStart, sum };
    if (entry.size >= IN_ZIP64) throw new RangeError(`record ${name}: ${entry.size} bytes; at most 4 GiB`);
    const header = Buffer.concat([
      littleEndian([0x04034b50, 4], ...common(entry), [4 + padding, 2]),
      Buffer.from(name),
      littleEndian([PADDING_FIELD, 2], [padding, 2]),
      Buffer.alloc(padding, 'Z'),
    ]);
    await this.#handle.write(header, 0, header.length, start);
    this.#entries.push(entry);
  }

  async finish(): Promise<number> {
    const start = this.#position;
    for (const entry of this.#entries) await this.#append(centralHeader(entry));
    const size = this.#position - start;
    const count = this.#entries.length;
    const isLarge = start >= IN_ZIP64;
    if (isLarge) {
      const end = this.#position;
      await this.#append(
        littleEndian([0x06064b50, 4], [44, 8], [45, 2], [45, 2], [0, 4], [0, 4], [count, 8], [count, 8]),
      );
      await this.#append(littleEndian([size, 8], [start, 8]));
      await this.#append(littleEndian([0x07064b50, 4], [0, 4], [end, 8], [1, 4]));
    }
    const told = isLarge ? IN_ZIP64 : start;
    await this.#append(
      littleEndian([0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [size, 4], [told, 4], [0, 2]),
    );
    return this.#position;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }

  async #append(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, this.#position);
      done += bytesWritten;
      this.#position += bytesWritten;
    }
  }
}

/** Fields that both headers of a record have, from "version needed" to the length of the name. */
function common({ name, size, sum }: Entry): Field[] {
  return [
    [20, 2],
    [0, 2],
    [0, 2],
    [0, 4],
    [sum, 4],
    [size, 4],
    [size, 4],
    [name.length, 2],
  ];
}

function centralHeader(entry: Entry): Buffer {
  const isFar = entry.start >= IN_ZIP64;
  return Buffer.concat([
    littleEndian([0x02014b50, 4], [20, 2], ...common(entry), [isFar ? 12 : 0, 2], [0, 2], [0, 2], [0, 2], [0, 4]),
    littleEndian([isFar ? IN_ZIP64 : entry.start, 4]),
    Buffer.from(entry.name),
    isFar ? littleEndian([ZIP64_FIELD, 2], [8, 2], [entry.start, 8]) : Buffer.alloc(0),
  ]);
}

/** The state dict in pickle protocol 2, with the opcodes that torch writes and without memo. */
function pickleViews(dtype: StoredDtype, storages: readonly StorageRecord[], views: readonly TensorView[]): Buffer {
  const kind = dtype === 'float16' ? 'HalfStorage' : 'FloatStorage';
  const items = views.map(({ name, storage, offset, shape, strides }) =>
    Buffer.concat([
      text(name),
      Buffer.from('ctorch._utils\n_rebuild_tensor_v2\n(('),
      text('storage'),
      Buffer.from(`ctorch\n${kind}\n`),
      text(String(storage)),
      text('cpu'),
      integer(storages[storage]!.count),
      Buffer.from('tQ'),
      integer(offset),
      Buffer.from('('),
      ...shape.map(integer),
      Buffer.from('t('),
      ...strides.map(integer),
      Buffer.from('t\x89ccollections\nOrderedDict\n)RtR', 'latin1'),
    ]),
  );
  const dictionary = Buffer.from('\x80\x02ccollections\nOrderedDict\n)R(', 'latin1');
  return Buffer.concat([dictionary, ...items, Buffer.from('u.')]);
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from('X'), littleEndian([Buffer.byteLength(value), 4]), Buffer.from(value)]);
}

/** BININT; no storage here has 2^31 elements. */
function integer(value: number): Buffer {
  return Buffer.concat([Buffer.from('J'), littleEndian([value, 4])]);
}
