/** The graphs of these tests, small enough to read. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import { onnxBytes, type Value } from './onnx-bytes.ts';

export const float = (name: string, ...shape: (number | string)[]): Value => ({ name, type: 'float32', shape });
export const int64 = (name: string, ...shape: (number | string)[]): Value => ({ name, type: 'int64', shape });

/** sum = x + x, product = x · x, both [batch_size, 2]; `ids` counts along, so that a second dtype crosses. */
export const arithmetic = onnxBytes({
  nodes: [
    { op: 'Add', inputs: ['x', 'x'], outputs: ['sum'] },
    { op: 'Mul', inputs: ['x', 'x'], outputs: ['product'] },
    { op: 'Add', inputs: ['ids', 'ids'], outputs: ['twice'] },
  ],
  inputs: [float('x', 'batch_size', 2), int64('ids', 'batch_size', 'sequence_length')],
  outputs: [
    float('sum', 'batch_size', 2),
    float('product', 'batch_size', 2),
    int64('twice', 'batch_size', 'sequence_length'),
  ],
});

/** Casts `x` (float32 [n]) to every type that can cross, and to float64, which cannot. */
export const casts = onnxBytes({
  nodes: (
    [
      ['float16', 10n],
      ['int64', 7n],
      ['int32', 6n],
      ['int8', 3n],
      ['uint8', 2n],
      ['bool', 9n],
      ['float64', 11n],
    ] as const
  ).map(([name, to]) => ({ op: 'Cast', inputs: ['x'], outputs: [name], attributes: { to } })),
  inputs: [float('x', 'n')],
  outputs: (['float16', 'int64', 'int32', 'int8', 'uint8', 'bool', 'float64'] as const).map((type) => ({
    name: type,
    type,
    shape: ['n'],
  })),
});

/** Every type that can cross, straight through. */
export const identities = onnxBytes({
  nodes: (['float32', 'float16', 'int64', 'int32', 'int8', 'uint8', 'bool'] as const).map((type) => ({
    op: 'Identity',
    inputs: [`${type}_in`],
    outputs: [type],
  })),
  inputs: (['float32', 'float16', 'int64', 'int32', 'int8', 'uint8', 'bool'] as const).map((type) => ({
    name: `${type}_in`,
    type,
    shape: ['n', 'm'],
  })),
  outputs: (['float32', 'float16', 'int64', 'int32', 'int8', 'uint8', 'bool'] as const).map((type) => ({
    name: type,
    type,
    shape: ['n', 'm'],
  })),
});

/** y = (((x · x) · x) · …): `depth` products of n × n matrices. */
export function matrixPower(depth: number): Uint8Array {
  const nodes = Array.from({ length: depth }, (_, i) => ({
    op: 'MatMul',
    inputs: [i === 0 ? 'x' : `x${i}`, 'x'],
    outputs: [i === depth - 1 ? 'y' : `x${i + 1}`],
  }));
  return onnxBytes({ nodes, inputs: [float('x', 'n', 'n')], outputs: [float('y', 'n', 'n')] });
}

/** The n × n identity: every power of it is itself, so that no number vanishes or explodes. */
export function identityMatrix(n: number): Float32Array {
  const data = new Float32Array(n * n);
  for (let i = 0; i < n; i++) data[i * n + i] = 1;
  return data;
}

/** y = x · W, with W in a file beside the graph. */
export const externalWeights = (location: string): Uint8Array =>
  onnxBytes({
    nodes: [{ op: 'MatMul', inputs: ['x', 'W'], outputs: ['y'] }],
    inputs: [float('x', 'n', 2)],
    outputs: [float('y', 'n', 2)],
    constants: [{ name: 'W', type: 'float32', shape: [2, 2], data: location }],
  });

/** rows[i] = table[ids[i]], 4 rows of 2. */
export const embedding = onnxBytes({
  nodes: [{ op: 'Gather', inputs: ['table', 'ids'], outputs: ['rows'] }],
  inputs: [int64('ids', 'n')],
  outputs: [float('rows', 'n', 2)],
  constants: [{ name: 'table', type: 'float32', shape: [4, 2], data: Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7) }],
});

/** big = x expanded to `shape`: an output of any size. */
export const expansion = onnxBytes({
  nodes: [{ op: 'Expand', inputs: ['x', 'shape'], outputs: ['big'] }],
  inputs: [float('x', 1), int64('shape', 'rank')],
  outputs: [float('big', 'rows', 'columns')],
});

/** One GroupQueryAttention with packed q, k, v and a cache: the heart of a decoder. */
export function attention({ heads, headSize }: { heads: number; headSize: number }): Uint8Array {
  const cache = (name: string, length: string): Value => float(name, 'batch_size', heads, length, headSize);
  return onnxBytes({
    nodes: [
      {
        op: 'GroupQueryAttention',
        domain: 'com.microsoft',
        inputs: ['qkv', '', '', 'past.key', 'past.value', 'seqlens_k', 'total_length'],
        outputs: ['attended', 'present.key', 'present.value'],
        attributes: { num_heads: BigInt(heads), kv_num_heads: BigInt(heads) },
      },
    ],
    inputs: [
      float('qkv', 'batch_size', 'sequence_length', 3 * heads * headSize),
      cache('past.key', 'past_sequence_length'),
      cache('past.value', 'past_sequence_length'),
      { name: 'seqlens_k', type: 'int32', shape: ['batch_size'] },
      { name: 'total_length', type: 'int32', shape: [] },
    ],
    outputs: [
      float('attended', 'batch_size', 'sequence_length', heads * headSize),
      cache('present.key', 'total_sequence_length'),
      cache('present.value', 'total_sequence_length'),
    ],
  });
}

/** Writes files into a folder that goes away with the tests of the calling file, and gives their paths. */
export function writeFiles<N extends string>(files: Record<N, Uint8Array>): Record<N, string> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'fsb-engine-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const entries = Object.entries<Uint8Array>(files).map(([name, bytes]) => {
    const file = path.join(folder, name);
    writeFileSync(file, bytes);
    return [name, file];
  });
  return Object.fromEntries(entries);
}
