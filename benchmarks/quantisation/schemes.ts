/** The ways of storing matrices that are measured against float32. */
import { type Formats, graphOptionsFor, type Workload, type WritableDtype } from '../../src/convert/dtypes.ts';
import type { QuantizedFormat } from '../../src/onnx/graph.ts';

type Blocks = Extract<QuantizedFormat, { kind: 'blocks' }>;

export interface Scheme {
  readonly dtype: WritableDtype;
  readonly formats?: Formats;
}

const blocks = (bits: 4 | 8, blockSize: number): Blocks => ({ kind: 'blocks', bits, blockSize });
const withZeros = (blockSize: number): Blocks => ({ kind: 'blocks', bits: 4, blockSize, zeroPoints: true });

/** The embedding and the output projection stay in 8-bit blocks of 128 unless the name says otherwise. */
export const SCHEMES = {
  fp32: { dtype: 'fp32' },
  fp16: { dtype: 'fp16' },
  'int8 columns': { dtype: 'int8', formats: { linear: { kind: 'columns' } } },
  'int8 /32': { dtype: 'int8', formats: { linear: blocks(8, 32) } },
  'int8 /128': { dtype: 'int8', formats: { linear: blocks(8, 128) } },
  'int4 /32': { dtype: 'int4', formats: { linear: blocks(4, 32) } },
  'int4 /64': { dtype: 'int4', formats: { linear: blocks(4, 64) } },
  'int4 /128': { dtype: 'int4', formats: { linear: blocks(4, 128) } },
  'int4 /32 zero points': { dtype: 'int4', formats: { linear: withZeros(32) } },
  'int4 /128 zero points': { dtype: 'int4', formats: { linear: withZeros(128) } },
  'int4 /32, embedding too': { dtype: 'int4', formats: { linear: blocks(4, 32), embedding: blocks(4, 32) } },
  'int4 /32, embedding float': { dtype: 'int4', formats: { linear: blocks(4, 32), embedding: undefined } },
} as const satisfies Record<string, Scheme>;

export type SchemeName = keyof typeof SCHEMES;

/** True for the scheme that a dtype stands for. */
export function isDefault(name: SchemeName, workload: Workload): boolean {
  const { dtype, formats }: Scheme = SCHEMES[name];
  const chosen = graphOptionsFor(dtype, workload);
  return JSON.stringify({ ...chosen, ...formats }) === JSON.stringify(chosen);
}
