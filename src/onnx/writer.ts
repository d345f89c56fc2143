/**
 * Writes a graph as `<name>.onnx` with its weights in one `<name>.onnx_data` beside it, streamed tensor by tensor.
 * Format: onnx/docs/ExternalData.md; offsets are page-aligned so that runtimes can map the file.
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DTYPES } from '../tensor/dtype.ts';
import { type Graph, valueInfo, type Weight, weightBytes } from './graph.ts';
import { EXTERNAL_LOCATION, encodeModel, type TensorProto } from './proto.ts';

/** Where mappings may start: pages are 4 kB on x64, 16 kB on Apple silicon; Windows wants multiples of 64 kB. */
const MAPPING_BYTES = 65536;
/** Weights smaller than a mapping are not mapped alone: an x64 page keeps them aligned without much waste. */
const PAGE_BYTES = 4096;

const IR_VERSION = 10; // the newest that onnxruntime 1.18+ and onnx 1.16+ all read
const OPSETS = [
  { domain: '', version: 21 },
  { domain: 'com.microsoft', version: 1 },
];

export interface WrittenFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Where a weight lies in the data file, in bytes. */
export interface Placement {
  readonly offset: number;
  readonly length: number;
}

/** The external data file of one or more graphs; each weight is written once, whichever graphs use it. */
export class WeightFile {
  readonly file: string;
  readonly placements = new Map<string, Placement>();
  readonly #handle: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  #position = 0;
  /** The write under way. */
  #pending: Promise<void> = Promise.resolve();

  private constructor(file: string, handle: FileHandle) {
    this.file = file;
    this.#handle = handle;
  }

  static async create(file: string): Promise<WeightFile> {
    return new WeightFile(file, await open(file, 'wx'));
  }

  /**
   * Appends a weight; the chunks must add up to its size exactly. One chunk is written while the next is made, so a chunk
   * must not change before the second after it is asked for, which may belong to the next weight.
   */
  async append(weight: Weight, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    if (weight.source.kind === 'same') {
      const placement = this.placements.get(weight.source.as);
      if (!placement)
        throw new Error(`weight "${weight.name}" repeats "${weight.source.as}", which is not written yet`);
      this.placements.set(weight.name, placement);
      return;
    }
    const length = weightBytes(weight);
    const alignment = length < MAPPING_BYTES ? PAGE_BYTES : MAPPING_BYTES;
    const gap = (alignment - (this.#position % alignment)) % alignment;
    if (gap) await this.#write(new Uint8Array(gap));
    const offset = this.#position;
    for await (const chunk of chunks) await this.#write(chunk);
    const written = this.#position - offset;
    if (written !== length) throw new Error(`weight "${weight.name}": ${length} bytes planned, ${written} written`);
    this.placements.set(weight.name, { offset, length });
  }

  /** Flushes to the disk and closes. */
  async finish(): Promise<WrittenFile> {
    await this.#pending;
    await this.#handle.sync();
    await this.#handle.close();
    return { path: this.file, sizeBytes: this.#position, sha256: this.#hash.digest('hex') };
  }

  /** Closes without finishing, after an error. */
  async abandon(): Promise<void> {
    // the error that led here is the one to report
    await this.#pending.catch(() => undefined);
    await this.#handle.close().catch(() => undefined);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#pending;
    this.#pending = this.#writeAt(bytes, this.#position);
    this.#pending.catch(() => undefined); // thrown where it is awaited: before the next write, or at the end
    this.#position += bytes.length;
    this.#hash.update(bytes);
  }

  async #writeAt(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }
}

/** A data file and what lies where in it: one that is written, or one of another graph. */
export interface PlacedWeights {
  readonly file: string;
  readonly placements: ReadonlyMap<string, Placement>;
}

/**
 * Writes the graph file. All of its weights must lie in `weights` already, in the same folder; of several files the first
 * that has a weight gives it.
 */
export async function writeGraph(
  graph: Graph,
  file: string,
  weights: PlacedWeights | readonly PlacedWeights[],
  producerVersion: string,
  metadata: Readonly<Record<string, string>> = {},
): Promise<WrittenFile> {
  const bytes = encodeGraph(graph, [weights].flat(), producerVersion, metadata);
  await writeFile(file, bytes, { flag: 'wx' });
  return { path: file, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** The bytes of a graph file. A graph without external weights can be run from them. */
export function encodeGraph(
  graph: Graph,
  weights: readonly PlacedWeights[],
  producerVersion: string,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const initializer = [
    ...[...graph.constants.values()].map(
      ({ name, dtype, shape, bytes }): TensorProto => ({
        name,
        dims: [...shape],
        dataType: DTYPES[dtype].onnx,
        rawData: bytes,
      }),
    ),
    ...[...graph.weights.values()].map((weight) => externalTensor(weight, weights)),
  ];
  const named = new Set(
    [...graph.inputs, ...graph.outputs, ...graph.constants.values(), ...graph.weights.values()].map((v) => v.name),
  );
  return encodeModel({
    irVersion: IR_VERSION,
    producerName: 'fsb',
    producerVersion,
    opsetImport: OPSETS,
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name: graph.name,
      node: graph.nodes,
      initializer,
      input: graph.inputs.map(valueInfo),
      output: graph.outputs.map(valueInfo),
      valueInfo: [...graph.values.values()].filter((value) => !named.has(value.name)).map(valueInfo),
    },
  });
}

// --- internal ---

function externalTensor(weight: Weight, files: readonly PlacedWeights[]): TensorProto {
  const home = files.find(({ placements }) => placements.has(weight.name));
  if (!home) throw new Error(`weight "${weight.name}" was written to no data file`);
  const { offset, length } = home.placements.get(weight.name)!;
  return {
    name: weight.name,
    dims: [...weight.shape],
    dataType: DTYPES[weight.dtype].onnx,
    dataLocation: EXTERNAL_LOCATION,
    externalData: [
      { key: 'location', value: path.basename(home.file) },
      { key: 'offset', value: String(offset) },
      { key: 'length', value: String(length) },
    ],
  };
}
