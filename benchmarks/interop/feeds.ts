/** Inputs for any graph that fsb writes, made from the manifest: ids that exist, masks of ones, a past where there is one. */
import type { Feeds } from '../../src/engine/session.ts';
import { float32Tensor, int64Tensor, type Tensor, zeros } from '../../src/engine/tensor.ts';
import type { Manifest, ManifestInput } from '../../src/registry/manifest.ts';
import { elementCountOf } from '../../src/tensor/lazy-tensor.ts';

/** Sizes of the symbolic dimensions: a second step of a decoder, which has a past and an encoded source. */
const SIZES: Readonly<Record<string, number>> = {
  sequence_length: 5,
  past_sequence_length: 3,
  total_sequence_length: 8,
  encoder_sequence_length: 6,
  past_encoder_sequence_length: 6,
};

/** All inputs that the graph requires. Throws for a dimension that is not among SIZES. */
export function feedsFor(inputs: readonly ManifestInput[], manifest: Manifest): Feeds {
  const required = inputs.filter(({ optional }) => !optional);
  // several tokens after a past are for one row only (GroupQueryAttention)
  const rows = inputs.some(({ name }) => name.startsWith('past_key_values.')) ? 1 : 2;
  return Object.fromEntries(required.map((input) => [input.name, tensorFor(input, manifest, rows)]));
}

// --- internal ---

function tensorFor({ name, dtype, shape: symbolic }: ManifestInput, manifest: Manifest, batchSize: number): Tensor {
  const shape = symbolic.map((size) => {
    const found = typeof size === 'number' ? size : size === 'batch_size' ? batchSize : SIZES[size];
    if (found === undefined) throw new Error(`input "${name}": no size is known for the dimension "${size}"`);
    return found;
  });
  if (dtype === 'bool') return { ...zeros('bool', shape), data: new Uint8Array(elementCountOf(shape)).fill(1) };
  if (dtype === 'float32') {
    const values = Float32Array.from({ length: elementCountOf(shape) }, (_, i) => Math.sin(i * 0.7) / 2);
    return float32Tensor(values, shape);
  }
  const [rows = 1, columns = 1] = shape;
  const valueAt = (row: number, column: number): number => {
    if (name.endsWith('attention_mask')) return 1;
    if (name.endsWith('position_ids')) return (SIZES.past_sequence_length ?? 0) + column;
    if (name.endsWith('token_type_ids')) return 0;
    return (1 + row * 17 + column * 7) % Number(manifest.config.vocabularyRows);
  };
  return int64Tensor(
    Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (__, column) => valueAt(row, column))),
  );
}
