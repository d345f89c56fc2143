/**
 * The tensors that make up a model, by canonical name, whatever holds them: a checkpoint in any format, or a converted
 * model. Buffers and repeated tensors are left out, so that the same weights give the same list everywhere.
 */
import path from 'node:path';
import { ENCODER_ALIASES } from '../architectures/encoder-heads.ts';
import { detectArchitecture } from '../architectures/index.ts';
import { Tensors } from '../architectures/tensors.ts';
import { FileSource } from '../checkpoint/file-source.ts';
import { hashTensor } from '../checkpoint/fingerprint.ts';
import { openCheckpoint } from '../checkpoint/open.ts';
import { type Manifest, type ManifestWeight, readManifest } from '../registry/manifest.ts';
import type { Dtype } from '../tensor/dtype.ts';
import { contiguousStrides, elementCountOf, type LazyTensor, readFloat32 } from '../tensor/lazy-tensor.ts';
import { concatenated, renamed, rowsOf, transposed } from '../tensor/views.ts';
import { UnsupportedError } from '../util/errors.ts';
import { pathExists } from '../util/files.ts';

export interface CanonicalTensors {
  /** Where they are, for messages. */
  readonly path: string;
  /** torch-zip, safetensors, …, or "model". */
  readonly format: string;
  readonly tensors: ReadonlyMap<string, LazyTensor>;
  /** What was left out, with the reason. */
  readonly leftOut: readonly { readonly tensor: LazyTensor; readonly reason: 'buffer' | 'alias' }[];
  /** Canonical name → name in the file. */
  readonly originalNames: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

/** Opens a checkpoint or model folder, or a weight file. */
export async function openCanonicalTensors(place: string): Promise<CanonicalTensors> {
  return (await pathExists(path.join(place, 'manifest.json'))) ? openModel(place) : openCheckpointTensors(place);
}

export interface TensorDifference {
  readonly name: string;
  readonly difference: 'only in A' | 'only in B' | 'shape' | 'numbers';
  /** Largest |a − b| where the numbers differ. */
  readonly maxDifference?: number;
}

/** Compares two models tensor by tensor; empty when they are the same model. */
export async function diffTensors(
  a: CanonicalTensors,
  b: CanonicalTensors,
  signal?: AbortSignal,
): Promise<TensorDifference[]> {
  const differences: TensorDifference[] = [];
  for (const name of new Set([...a.tensors.keys(), ...b.tensors.keys()])) {
    signal?.throwIfAborted();
    const [left, right] = [a.tensors.get(name), b.tensors.get(name)];
    if (!left || !right) differences.push({ name, difference: left ? 'only in A' : 'only in B' });
    else if (`${left.shape}` !== `${right.shape}`) differences.push({ name, difference: 'shape' });
    else if ((await hashTensor(left)) !== (await hashTensor(right)))
      differences.push({ name, difference: 'numbers', maxDifference: await maxDifference(left, right) });
  }
  return differences;
}

// --- internal ---

async function openCheckpointTensors(place: string): Promise<CanonicalTensors> {
  const checkpoint = await openCheckpoint(place);
  const view = new Tensors(new Map([...checkpoint.tensors].map(([name, { shape }]) => [name, shape])), checkpoint.path);
  const { buffers } = architectureOf(view, checkpoint.tensors.keys());
  const tensors = new Map<string, LazyTensor>();
  const leftOut: { tensor: LazyTensor; reason: 'buffer' | 'alias' }[] = [];
  for (const [name, tensor] of checkpoint.tensors) {
    if (buffers.some((buffer) => buffer.test(name))) leftOut.push({ tensor, reason: 'buffer' });
    else if (isRepeated(name, tensor, checkpoint.tensors)) leftOut.push({ tensor, reason: 'alias' });
    else tensors.set(name, tensor);
  }
  return { ...checkpoint, path: place, tensors, leftOut };
}

/** Unknown architectures are listed whole. */
function architectureOf(view: Tensors, names: Iterable<string>): { readonly buffers: readonly RegExp[] } {
  try {
    return detectArchitecture(view, names);
  } catch (error) {
    if (error instanceof UnsupportedError) return { buffers: [] };
    throw error;
  }
}

/** The tied output projections: stored in some formats, left out in others. */
const TIED: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(Object.entries(ENCODER_ALIASES).map(([alias, name]) => [alias, [name]])),
  'lm_head.weight': ['wte.weight', 'shared.weight', 'shared.word_embeddings.weight'],
};

function isRepeated(name: string, tensor: LazyTensor, all: ReadonlyMap<string, LazyTensor>): boolean {
  return (TIED[name] ?? []).some((target) => {
    const tied = all.get(target);
    return tied !== undefined && tied.storage.key === tensor.storage.key && tied.offset === tensor.offset;
  });
}

async function openModel(folder: string): Promise<CanonicalTensors> {
  const manifest = await readManifest(folder);
  if (manifest.quantisation)
    throw new UnsupportedError(`${folder} is ${manifest.dtype}: its numbers are no longer those of the checkpoint`, {
      code: 'quantised',
    });
  const dataFile = manifest.graphs.find((graph) => graph.dataFile !== null)?.dataFile;
  if (!dataFile)
    throw new UnsupportedError(`${folder}: its weights are inside the graph file`, { code: 'no-data-file' });
  const source = await FileSource.open(path.join(folder, dataFile));
  const tensors = new Map<string, LazyTensor>();
  for (const weight of manifest.weights)
    for (const tensor of split(weight, source, manifest))
      if (!tensors.has(tensor.name)) tensors.set(tensor.name, tensor);
  return { path: folder, format: 'model', tensors, leftOut: [], originalNames: new Map(), close: () => source.close() };
}

/** The checkpoint's tensors in one weight of a model: transposition, padding and concatenation undone as views. */
function split(weight: ManifestWeight, source: FileSource, manifest: Manifest): LazyTensor[] {
  const { name, shape, offset, tensors, heads } = weight;
  const dtype = weight.dtype as Dtype;
  const elementCount = elementCountOf(shape);
  const region = {
    name: source.name,
    sizeBytes: source.sizeBytes - offset,
    readInto: (target: Uint8Array, at: number) => source.readInto(target, offset + at),
  };
  const whole: LazyTensor = {
    name,
    dtype,
    shape,
    strides: contiguousStrides(shape),
    offset: 0,
    storage: { key: `${manifest.name}/${name}`, dtype, elementCount, source: region },
  };
  const dense = heads ? withoutPadding(whole, heads) : whole;
  const stacked = weight.transposed ? transposed(dense) : dense;
  const rows = stacked.shape[0]! / tensors.length;
  return tensors.map((tensor, i) => renamed(tensors.length === 1 ? stacked : rowsOf(stacked, i * rows, rows), tensor));
}

function withoutPadding(tensor: LazyTensor, heads: NonNullable<ManifestWeight['heads']>): LazyTensor {
  const { dimension, headSize, paddedSize } = heads;
  const along = dimension === 0 ? tensor : transposed(tensor);
  const count = along.shape[0]! / paddedSize;
  const parts = Array.from({ length: count }, (_, h) => rowsOf(along, h * paddedSize, headSize));
  const dense = concatenated(tensor.name, `${tensor.storage.key}/dense`, parts);
  return dimension === 0 ? dense : transposed(dense);
}

async function maxDifference(a: LazyTensor, b: LazyTensor): Promise<number> {
  const [left, right] = [await readFloat32(a), await readFloat32(b)];
  let most = 0;
  for (const [i, value] of left.entries()) most = Math.max(most, Math.abs(value - right[i]!));
  return most;
}
