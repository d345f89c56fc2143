/**
 * torch.save since version 1.6: a zip archive of stored records `<root>/data.pkl`, `<root>/data/<key>` and, since 2.1,
 * `<root>/byteorder`. Written by torch/serialization.py (_save) and caffe2/serialize/inline_container.cc.
 */
import { crc32 } from 'node:zlib';
import type { Storage } from '../tensor/lazy-tensor.ts';
import { UnsupportedError } from '../util/errors.ts';
import { type FileSource, readBytes, regionOf } from './file-source.ts';
import { readPickle } from './pickle.ts';
import { MAX_PICKLE_BYTES } from './pickle-cursor.ts';
import { badTensor, corruptArchive, malformedPickle } from './refusals.ts';
import type { TorchFile } from './torch-file.ts';
import { readZipDirectory, type ZipEntry } from './zip-directory.ts';

/** `byteorder` and `version` hold one word. */
const MAX_WORD_BYTES = 64;

/** Reads the directory and the pickle; storages stay in the file. Throws IntegrityError, or UnsupportedError for TorchScript. */
export async function readTorchZip(source: FileSource): Promise<TorchFile> {
  const entries = await readZipDirectory(source);
  const root = rootOf(source.name, entries);
  if (entries.has(`${root}/constants.pkl`))
    throw new UnsupportedError(`${source.name}: a TorchScript archive (it has code), not a file of weights`, {
      code: 'unsupported-checkpoint',
      hint: 'save the state_dict() of the model with torch.save',
    });
  await requireLittleEndian(source, entries.get(`${root}/byteorder`));
  const entry = entries.get(`${root}/data.pkl`)!;
  const where = `${source.name}, entry ${entry.name}`;
  const pickle = readPickle(await readRecord(source, entry, MAX_PICKLE_BYTES), where);
  const storages = new Map<string, Storage>();
  return {
    format: 'torch-zip',
    path: source.name,
    root: pickle.value,
    storageOf({ key, dtype, elementCount }) {
      const known = storages.get(key);
      if (known) return known;
      const record = entries.get(`${root}/data/${key}`);
      if (!record)
        throw badTensor(source.name, undefined, `the record ${root}/data/${key} of storage ${key} is missing`);
      const region = regionOf(source, `${source.name}, entry ${record.name}`, record.dataStart, record.sizeBytes);
      const storage = { key: `${source.name}:${key}`, dtype, elementCount, source: region };
      storages.set(key, storage);
      return storage;
    },
  };
}

// --- internal ---

/** The one folder that has a data.pkl. */
function rootOf(file: string, entries: ReadonlyMap<string, ZipEntry>): string {
  const roots = [...entries.keys()]
    .filter((name) => /^[^/]+\/data\.pkl$/.test(name))
    .map((name) => name.split('/')[0]!);
  if (roots.length !== 1)
    throw corruptArchive(
      file,
      `expected one <root>/data.pkl as torch.save writes it, found ${roots.length} among ${entries.size} entries`,
      'is this an archive of model files? then unpack it first (fsb import)',
    );
  return roots[0]!;
}

async function requireLittleEndian(source: FileSource, entry: ZipEntry | undefined): Promise<void> {
  if (!entry) return; // before 2.1 every machine that mattered was little-endian, and nothing was written
  const order = Buffer.from(await readRecord(source, entry, MAX_WORD_BYTES))
    .toString('latin1')
    .trim();
  if (order !== 'little')
    throw new UnsupportedError(`${source.name}: expected byteorder "little", found ${JSON.stringify(order)}`, {
      code: 'unsupported-checkpoint',
      hint: 'load and save it again on a little-endian machine',
    });
}

/** A small record whole, with its checksum compared. Storages are not summed here: their file has a sha256. */
async function readRecord(source: FileSource, entry: ZipEntry, limit: number): Promise<Uint8Array> {
  const where = `${source.name}, entry ${entry.name}`;
  if (entry.sizeBytes > limit) throw malformedPickle(where, `${entry.sizeBytes} bytes; at most ${limit} are read`);
  const bytes = await readBytes(source, entry.dataStart, entry.sizeBytes);
  const sum = crc32(bytes);
  if (sum !== entry.crc32)
    throw corruptArchive(where, `expected crc32 ${entry.crc32.toString(16)}, found ${sum.toString(16)}`);
  return bytes;
}
