/**
 * safetensors: 8 bytes with the length of a JSON header, the header, then the tensors' bytes without gaps or overlaps.
 * Format: github.com/huggingface/safetensors, README, "Format".
 */
import { DTYPES, type Dtype, findDtype } from '../tensor/dtype.ts';
import { contiguousStrides, elementCountOf, type LazyTensor } from '../tensor/lazy-tensor.ts';
import { messageOf } from '../util/errors.ts';
import { checkedTensor } from './check-view.ts';
import { type FileSource, readBytes, regionOf } from './file-source.ts';
import { badTensor, corruptArchive } from './refusals.ts';

/** The format's own limit for the header. */
const MAX_HEADER_BYTES = 100_000_000;
const MAX_TENSORS = 100_000;
const LENGTH_BYTES = 8;

export interface SafetensorsFile {
  readonly tensors: ReadonlyMap<string, LazyTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Reads the header and checks it against the file. Throws IntegrityError: corrupt-archive or bad-tensor. */
export async function readSafetensors(source: FileSource): Promise<SafetensorsFile> {
  const { header, dataStart } = await readHeader(source);
  const { __metadata__: metadata, ...described } = header;
  const names = Object.keys(described);
  if (names.length > MAX_TENSORS)
    throw corruptArchive(source.name, `${names.length} tensors; at most ${MAX_TENSORS} are read`);
  const entries = names.map((name) => parseEntry(source.name, name, described[name]));
  requireSeamless(source, entries, dataStart);
  const tensors = new Map(entries.map((entry) => [entry.name, tensorOf(source, entry, dataStart)]));
  return { tensors, metadata: parseMetadata(source.name, metadata) };
}

// --- internal ---

interface Entry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Bytes from the end of the header: first, and one after the last. */
  readonly begin: number;
  readonly end: number;
}

async function readHeader(source: FileSource): Promise<{ header: Record<string, unknown>; dataStart: number }> {
  if (source.sizeBytes < LENGTH_BYTES)
    throw corruptArchive(source.name, `${source.sizeBytes} bytes are no safetensors file`);
  const prefix = new DataView((await readBytes(source, 0, LENGTH_BYTES)).buffer);
  const length = prefix.getUint32(4, true) * 2 ** 32 + prefix.getUint32(0, true);
  const available = Math.min(MAX_HEADER_BYTES, source.sizeBytes - LENGTH_BYTES);
  if (length > available)
    throw corruptArchive(
      source.name,
      `the header should have ${length} bytes, but at most ${available} are possible in a file of ${source.sizeBytes}`,
    );
  const text = Buffer.from(await readBytes(source, LENGTH_BYTES, length)).toString('utf8');
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw corruptArchive(source.name, `the header is not JSON: ${messageOf(error)}`);
  }
  if (!isRecord(header)) throw corruptArchive(source.name, 'expected a JSON object as the header');
  return { header, dataStart: LENGTH_BYTES + length };
}

function parseEntry(file: string, name: string, value: unknown): Entry {
  const refuse = (what: string): Error => badTensor(file, name, what);
  if (!isRecord(value)) throw refuse(`expected an object in the header, found ${JSON.stringify(value)}`);
  const { dtype: told, shape, data_offsets: offsets } = value;
  const dtype = typeof told === 'string' ? findDtype('safetensors', told) : undefined;
  if (dtype === undefined)
    throw refuse(
      `expected one of the types ${Object.values(DTYPES)
        .map((entry) => entry.safetensors)
        .join(', ')}, found ${JSON.stringify(told)}`,
    );
  if (!isCounts(shape) || shape.length > 32) throw refuse(`malformed shape ${brief(shape)}`);
  if (!isCounts(offsets) || offsets.length !== 2) throw refuse(`malformed data_offsets ${brief(offsets)}`);
  const [begin, end] = offsets as [number, number];
  const expected = elementCountOf(shape) * DTYPES[dtype].bytes;
  if (end - begin !== expected)
    throw refuse(
      `${told} with shape [${shape.join(', ')}] needs ${expected} bytes, but data_offsets [${begin}, ${end}] hold ${end - begin}`,
    );
  return { name, dtype, shape, begin, end };
}

/** The format allows neither overlaps nor holes, and the last tensor ends with the file. */
function requireSeamless(source: FileSource, entries: readonly Entry[], dataStart: number): void {
  const sorted = entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  let previous = 'the header';
  for (const { name, begin, end } of sorted) {
    if (begin !== at) {
      const how = begin < at ? 'overlaps' : 'leaves a hole after';
      throw badTensor(source.name, name, `its bytes [${begin}, ${end}) ${how} ${previous}, which ends at ${at}`);
    }
    [at, previous] = [end, `tensor "${name}"`];
  }
  const dataBytes = source.sizeBytes - dataStart;
  if (at > dataBytes)
    throw corruptArchive(
      source.name,
      `the file is cut off: ${previous} should end at byte ${dataStart + at}, but the file has ${source.sizeBytes}`,
    );
  if (at < dataBytes) throw corruptArchive(source.name, `${dataBytes - at} bytes at the end belong to no tensor`);
}

function tensorOf(source: FileSource, entry: Entry, dataStart: number): LazyTensor {
  const { name, dtype, shape, begin, end } = entry;
  const region = regionOf(source, `${source.name}, tensor ${name}`, dataStart + begin, end - begin);
  const storage = { key: `${source.name}:${name}`, dtype, elementCount: elementCountOf(shape), source: region };
  return checkedTensor(source.name, { name, dtype, shape, strides: contiguousStrides(shape), offset: 0, storage });
}

function parseMetadata(file: string, value: unknown): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  const isText = (entry: [string, unknown]): entry is [string, string] => typeof entry[1] === 'string';
  const entries = isRecord(value) ? Object.entries(value) : undefined;
  if (!entries?.every(isText))
    throw corruptArchive(file, `expected text values in __metadata__, found ${brief(value)}`);
  return Object.fromEntries(entries);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function brief(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 200);
}
