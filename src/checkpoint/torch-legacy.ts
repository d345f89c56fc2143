/**
 * torch.save before version 1.6: a stream of pickles (magic number, protocol 1001, sys_info, the object, the storage keys in
 * order) and then, for each key, the number of elements in 8 bytes and the elements. torch/serialization.py, _legacy_save.
 */

import { DTYPES } from '../tensor/dtype.ts';
import type { ByteSource, Storage } from '../tensor/lazy-tensor.ts';
import { UnsupportedError } from '../util/errors.ts';
import { type FileSource, readBytes, regionOf } from './file-source.ts';
import { type Pickle, runPickle } from './pickle.ts';
import { MAX_PICKLE_BYTES, PickleCutOff } from './pickle-cursor.ts';
import { describe, type PickleValue, type StorageRecord } from './pickle-values.ts';
import { badTensor, corruptArchive, malformedPickle } from './refusals.ts';
import type { TorchFile } from './torch-file.ts';

const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
/** The pickles come first and nothing tells their length: this much is read, then more while they are cut off. */
const FIRST_WINDOW_BYTES = 1024 * 1024;
const COUNT_BYTES = 8;
/** As for zip entries: one storage per tensor. */
const MAX_STORAGES = 100_000;

/** Reads the pickles and finds every storage in the stream. Throws IntegrityError. */
export async function readTorchLegacy(source: FileSource): Promise<TorchFile> {
  const { root, claims, keys, end } = await readPickles(source);
  const storages = await placeStorages(source, keys, claims, end);
  return {
    format: 'torch-legacy',
    path: source.name,
    root,
    storageOf({ key }) {
      const storage = storages.get(key);
      if (!storage)
        throw badTensor(source.name, undefined, `storage ${key} is not in the list of storages of the stream`);
      return storage;
    },
  };
}

// --- internal ---

interface Pickles {
  readonly root: PickleValue;
  /** What the object says of its storages, by key. */
  readonly claims: ReadonlyMap<string, StorageRecord>;
  readonly keys: readonly string[];
  /** Offset of the first storage. */
  readonly end: number;
}

async function readPickles(source: FileSource): Promise<Pickles> {
  for (let size = FIRST_WINDOW_BYTES; ; size *= 8) {
    const length = Math.min(size, source.sizeBytes, MAX_PICKLE_BYTES);
    try {
      return parsePickles(source.name, await readBytes(source, 0, length));
    } catch (error) {
      if (!(error instanceof PickleCutOff)) throw error;
      if (length === source.sizeBytes)
        throw corruptArchive(
          source.name,
          `the file is cut off: its ${length} bytes end within the pickles before the storages`,
        );
      if (length === MAX_PICKLE_BYTES)
        throw malformedPickle(source.name, `the pickles before the storages have more than ${length} bytes`);
    }
  }
}

function parsePickles(file: string, bytes: Uint8Array): Pickles {
  let end = 0;
  const nextPickle = (part: string): Pickle => {
    const pickle = runPickle(bytes, `${file}, ${part}`, end);
    end = pickle.end;
    return pickle;
  };
  const next = (part: string): PickleValue => nextPickle(part).value;
  const magic = next('magic number');
  if (magic !== MAGIC)
    throw corruptArchive(
      file,
      `a pickle, but not one of torch.save: expected its magic number first, found ${describe(magic)}`,
      'expected a checkpoint that torch.save wrote',
    );
  const protocol = next('protocol number');
  if (protocol !== PROTOCOL)
    throw corruptArchive(file, `expected stream protocol ${PROTOCOL}, found ${describe(protocol)}`);
  const system = next('sys_info');
  if (!(system instanceof Map) || system.get('little_endian') !== true)
    throw new UnsupportedError(`${file}: not written on a little-endian machine`, { code: 'unsupported-checkpoint' });
  const { value: root, storages: claims } = nextPickle('object');
  const keys = next('storage keys');
  const isKeys = (value: PickleValue): value is readonly string[] =>
    Array.isArray(value) && value.length <= MAX_STORAGES && value.every((key) => typeof key === 'string');
  if (!isKeys(keys)) throw corruptArchive(file, `expected the list of storage keys, found ${describe(keys)}`);
  return { root, claims, keys, end };
}

/** Walks the storages in the stream: their sizes follow from what the tensors say, and must equal the counts written there. */
async function placeStorages(
  source: FileSource,
  keys: readonly string[],
  claims: ReadonlyMap<string, StorageRecord>,
  start: number,
): Promise<Map<string, Storage>> {
  const storages = new Map<string, Storage>();
  let at = start;
  for (const key of keys) {
    const claim = claims.get(key);
    if (!claim)
      throw corruptArchive(source.name, `storage ${key} in the stream belongs to no tensor, so its type is unknown`);
    if (storages.has(key)) throw corruptArchive(source.name, `storage ${key} is listed twice`);
    const { dtype, elementCount } = claim;
    const sizeBytes = elementCount * DTYPES[dtype].bytes;
    if (at + COUNT_BYTES + sizeBytes > source.sizeBytes)
      throw corruptArchive(
        source.name,
        `the file is cut off: storage ${key} should have ${sizeBytes} bytes from byte ${at + COUNT_BYTES} on, but the file ends at ${source.sizeBytes}`,
      );
    const count = new DataView((await readBytes(source, at, COUNT_BYTES)).buffer);
    const stored = count.getUint32(4, true) * 2 ** 32 + count.getUint32(0, true);
    if (stored !== elementCount)
      throw badTensor(
        source.name,
        undefined,
        `storage ${key} is told to have ${elementCount} elements, the stream has ${stored}`,
      );
    at += COUNT_BYTES;
    const region: ByteSource = regionOf(source, `${source.name}, storage ${key}`, at, sizeBytes);
    storages.set(key, { key: `${source.name}:${key}`, dtype, elementCount, source: region });
    at += sizeBytes;
  }
  return storages;
}
