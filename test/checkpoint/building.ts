/** Hand-made containers and pickles for the tests of this folder. */

import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { brotliDecompressSync, crc32 } from 'node:zlib';
import { onTestFinished } from 'vitest';
import type { ByteSource } from '../../src/tensor/lazy-tensor.ts';
import { IntegrityError } from '../../src/util/errors.ts';

export const FIXTURES = path.resolve('test/fixtures/checkpoint');
export const GOLDEN = path.resolve('..', 'shared', 'golden');

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'fsb-checkpoint-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes bytes under a name in a fresh folder; returns the file. */
export async function temporaryFile(bytes: Uint8Array | string, name = 'pytorch_model.bin'): Promise<string> {
  const file = path.join(await temporaryFolder(), name);
  await writeFile(file, bytes);
  return file;
}

export function fixtureBytes(...names: string[]): Buffer {
  return readFileSync(path.join(FIXTURES, ...names));
}

/** A source over bytes in memory that counts what is read. */
export function memorySource(
  bytes: Uint8Array,
  name = 'memory.bin',
): ByteSource & { readonly reads: [number, number][] } {
  const reads: [number, number][] = [];
  return {
    name,
    sizeBytes: bytes.length,
    reads,
    async readInto(target, offset) {
      if (offset < 0 || offset + target.length > bytes.length)
        throw new IntegrityError(`${name}: too short`, { code: 'corrupt-archive' });
      reads.push([offset, target.length]);
      target.set(bytes.subarray(offset, offset + target.length));
    },
  };
}

export interface ZipRecord {
  readonly name: string;
  readonly data: Uint8Array | string;
  /** Overrides fields, to make them wrong. */
  readonly local?: { readonly name?: string; readonly size?: number; readonly method?: number };
  readonly central?: {
    readonly size?: number;
    readonly method?: number;
    readonly flags?: number;
    readonly start?: number;
    readonly crc?: number;
  };
}

/** A zip archive of stored entries, with zip64 fields everywhere when asked. */
export function zip(records: readonly ZipRecord[], options: { zip64?: boolean } = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, data, local = {}, central = {} } of records) {
    const content = Buffer.from(data);
    const sum = central.crc ?? crc32(content);
    const localName = Buffer.from(local.name ?? name);
    const localSize = local.size ?? content.length;
    const header = Buffer.concat([
      numbers([0x04034b50, 4], [20, 2], [0, 2], [local.method ?? 0, 2], [0, 4], [sum, 4]),
      options.zip64 ? numbers([0xffffffff, 4], [0xffffffff, 4]) : numbers([localSize, 4], [localSize, 4]),
      numbers([localName.length, 2], [options.zip64 ? 20 : 0, 2]),
      localName,
      options.zip64 ? numbers([1, 2], [16, 2], [localSize, 8], [localSize, 8]) : Buffer.alloc(0),
    ]);
    const size = central.size ?? content.length;
    const start = central.start ?? at;
    directory.push(
      Buffer.concat([
        numbers([0x02014b50, 4], [20, 2], [20, 2], [central.flags ?? 0, 2], [central.method ?? 0, 2], [0, 4], [sum, 4]),
        options.zip64 ? numbers([0xffffffff, 4], [0xffffffff, 4]) : numbers([size, 4], [size, 4]),
        numbers([Buffer.byteLength(name), 2], [options.zip64 ? 28 : 0, 2], [0, 2], [0, 2], [0, 2], [0, 4]),
        numbers([options.zip64 ? 0xffffffff : start, 4]),
        Buffer.from(name),
        options.zip64 ? numbers([1, 2], [24, 2], [size, 8], [size, 8], [start, 8]) : Buffer.alloc(0),
      ]),
    );
    parts.push(header, content);
    at += header.length + content.length;
  }
  const central = Buffer.concat(directory);
  const n = records.length;
  const end64 = Buffer.concat([
    numbers([0x06064b50, 4], [44, 8], [45, 2], [45, 2], [0, 4], [0, 4], [n, 8], [n, 8], [central.length, 8], [at, 8]),
    numbers([0x07064b50, 4], [0, 4], [at + central.length, 8], [1, 4]),
  ]);
  const end = options.zip64
    ? numbers([0x06054b50, 4], [0, 2], [0, 2], [0xffff, 2], [0xffff, 2], [0xffffffff, 4], [0xffffffff, 4], [0, 2])
    : numbers([0x06054b50, 4], [0, 2], [0, 2], [n, 2], [n, 2], [central.length, 4], [at, 4], [0, 2]);
  return Buffer.concat([...parts, central, ...(options.zip64 ? [end64] : []), end]);
}

/** Little-endian numbers of the given widths. */
export function numbers(...fields: readonly [value: number, bytes: number][]): Buffer {
  return Buffer.concat(
    fields.map(([value, bytes]) => {
      const field = Buffer.alloc(bytes);
      if (bytes === 8) field.writeBigUInt64LE(BigInt(value));
      else field.writeUIntLE(value, 0, bytes);
      return field;
    }),
  );
}

/** A torch.save archive of a pickle and its storages. */
export function torchZip(pickle: Uint8Array, storages: Readonly<Record<string, Uint8Array>>): Buffer {
  const records = Object.entries(storages).map(([key, data]) => ({ name: `archive/data/${key}`, data }));
  return zip([{ name: 'archive/data.pkl', data: pickle }, ...records]);
}

/** The record `<root>/data.pkl` of an archive that Python's zipfile wrote, and the archive with another one in its place. */
export function pickleOf(archive: Buffer): Buffer {
  const name = archive.indexOf('archive/data.pkl');
  return archive.subarray(name + 16, name + 16 + archive.readUInt32LE(name - 12));
}

// A few opcodes of protocol 2, enough to write any state dict by hand.

export type Claim = {
  storage?: [key: string, kind: string, elements: number];
  offset?: number;
  shape: number[];
  strides?: number[];
};

/** The pickle of a dictionary of tensors whose numbers are whatever the claims say. */
export function stateDictPickle(claims: Readonly<Record<string, Claim>>): Buffer {
  const items = Object.entries(claims).map(([name, claim]) => Buffer.concat([text(name), tensor(claim)]));
  return Buffer.concat([Buffer.from('\x80\x02}(', 'latin1'), ...items, Buffer.from('u.')]);
}

function tensor({ storage = ['0', 'FloatStorage', 4], offset = 0, shape, strides }: Claim): Buffer {
  const [key, kind, elements] = storage;
  const dense = shape.map((_, d) => shape.slice(d + 1).reduce((product, size) => product * size, 1));
  return Buffer.concat([
    Buffer.from('ctorch._utils\n_rebuild_tensor_v2\n(('),
    text('storage'),
    Buffer.from(`ctorch\n${kind}\n`),
    text(key),
    text('cpu'),
    integer(elements),
    Buffer.from('tQ'),
    integer(offset),
    Buffer.from('('),
    ...shape.map(integer),
    Buffer.from('t('),
    ...(strides ?? dense).map(integer),
    Buffer.from('t\x89ccollections\nOrderedDict\n)RtR', 'latin1'),
  ]);
}

export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from('X'), numbers([bytes.length, 4]), bytes]);
}

export function integer(value: number): Buffer {
  return Buffer.from(`I${value}\n`);
}

export interface HostileFile {
  readonly case: string;
  readonly name: string;
  readonly bytes: Buffer;
}

/** The hostile files of the golden set (hostile.pack.br; make_fixtures.py writes it). */
export function hostileFiles(): HostileFile[] {
  const packed = brotliDecompressSync(fixtureBytes('hostile.pack.br'));
  let at = packed.indexOf('\n') + 1;
  const index = JSON.parse(packed.subarray(0, at).toString()) as { case: string; name: string; sizeBytes: number }[];
  return index.map(({ case: kind, name, sizeBytes }) => {
    at += sizeBytes;
    return { case: kind, name, bytes: packed.subarray(at - sizeBytes, at) };
  });
}

/** What was thrown, for looking at its class, code and message together. */
export async function thrownBy(work: () => unknown): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  return undefined;
}
