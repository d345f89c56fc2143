/** The types a model can be stored in, and what each means for its matrices. */
import type { GraphOptions, MatrixFormat, QuantizedFormat } from '../onnx/graph.ts';
import { UsageError } from '../util/errors.ts';

/** What a model is for decides the integer format: encoders run many tokens at once, decoders one. */
export type Workload = 'encoder' | 'decoder';

export const WRITABLE_DTYPES = ['fp32', 'fp16', 'int8', 'int4'] as const;

export type WritableDtype = (typeof WRITABLE_DTYPES)[number];

/** Suffix of the files: the names that other ONNX clients look for. */
export const FILE_SUFFIXES: Readonly<Record<WritableDtype, string>> = {
  fp32: '',
  fp16: '_fp16',
  int8: '_int8',
  int4: '_int4',
};

/** How matrices are stored: of the layers, of embeddings, and single ones. */
export type Formats = Pick<GraphOptions, 'linear' | 'embedding' | 'matrices'>;

// scales are read and multiplied per block: of 128 numbers, a step of the 110M GPT-2 takes 0.85 of the time of 32
const BLOCKS_8 = { kind: 'blocks', bits: 8, blockSize: 128 } as const;
// of encoders: the least error that integers of 4 bits have
const BLOCKS_4 = { kind: 'blocks', bits: 4, blockSize: 32 } as const;
// of decoders: 4.5 bits a weight with the scale, as Q4_0 has; a 3.5B model takes 0.6 GB less than with blocks of 32
const LARGE_BLOCKS_4 = { kind: 'blocks', bits: 4, blockSize: 64 } as const;

/** How the matrices of layers are stored, by what they are for. */
const LINEAR: Readonly<Record<'int8' | 'int4', Readonly<Record<Workload, QuantizedFormat>>>> = {
  int8: { encoder: { kind: 'columns' }, decoder: BLOCKS_8 },
  int4: { encoder: BLOCKS_4, decoder: LARGE_BLOCKS_4 },
};

/** The options with which graphs of this type are built. Embeddings keep 8 bits: the output projection is sensitive. */
export function graphOptionsFor(dtype: WritableDtype, workload: Workload): GraphOptions {
  if (dtype === 'fp32') return {};
  if (dtype === 'fp16') return { weightDtype: 'float16' };
  return { linear: LINEAR[dtype][workload], embedding: BLOCKS_8 };
}

/** What the manifest says of it; null for types that are not quantised. */
export function describeQuantisation(
  dtype: WritableDtype,
  workload: Workload,
  formats: Formats = {},
): Record<string, string | number> | null {
  const { linear, embedding } = { ...graphOptionsFor(dtype, workload), ...formats };
  if (!linear) return null;
  const bits = linear.kind === 'blocks' ? { bits: linear.bits, blockSize: linear.blockSize } : { bits: 8 };
  const table = embedding && { embeddingBits: embedding.bits, embeddingBlockSize: embedding.blockSize };
  return { scheme: linear.kind, ...bits, ...table };
}

/** For manifests and tables: "int4/32", "int8/columns", "float16". */
export function nameOfFormat(format: MatrixFormat): string {
  if (typeof format === 'string') return format;
  if (format.kind === 'columns') return 'int8/columns';
  return `int${format.bits}/${format.blockSize}${format.zeroPoints ? '/zero-points' : ''}`;
}

/**
 * The formats that a matrix may have within a budget, the smallest first: that of the dtype; for int4 the int8 one of the workload;
 * 8 bits in blocks, whose activations are rounded block by block, so that a few large channels spoil no others; float16, which
 * holds what published checkpoints store. As many for every matrix: one that has 8-bit blocks already stays there for a while.
 */
export function formatLadder(dtype: 'int8' | 'int4', workload: Workload, smallest: QuantizedFormat): MatrixFormat[] {
  const steps: QuantizedFormat[] = dtype === 'int4' ? [smallest, LINEAR.int8[workload]] : [smallest];
  if (workload === 'encoder') steps.push(BLOCKS_8);
  const isLarge = smallest.kind === 'blocks' && smallest.bits === 8; // embeddings
  return [...steps.map((step) => (isLarge ? smallest : step)), 'float16'];
}

/** Parses the value of --dtype. */
export function parseDtype(value: string): WritableDtype {
  const found = WRITABLE_DTYPES.find((dtype) => dtype === value);
  if (found) return found;
  throw new UsageError(`--dtype ${value}: expected one of ${WRITABLE_DTYPES.join(', ')}`, { code: 'unknown-dtype' });
}
