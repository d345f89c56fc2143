/**
 * What decoders with a key/value cache share: inputs and outputs by the names that ONNX clients know, sequence lengths
 * out of the mask, causal attention that can update the cache in place, and logits of the last positions only.
 */
import { type Graph, type HeadPadding, MICROSOFT, type Value } from '../onnx/graph.ts';
import { type Table, tiedLogits } from '../onnx/products.ts';

/** The CPU kernel's heads are multiples of 8 numbers; weights of other sizes are filled up with zeros. */
const HEAD_MULTIPLE = 8;

export interface CacheShape {
  readonly numLayers: number;
  readonly numHeads: number;
  /** Numbers of a head as the weights have it. */
  readonly headSize: number;
}

/** Numbers of a head in the graph and in the cache. */
export function paddedHeadSize(headSize: number): number {
  return Math.ceil(headSize / HEAD_MULTIPLE) * HEAD_MULTIPLE;
}

/** How q, k, v (dimension 1) or the output projection (0) are filled up; undefined where heads fit. */
export function headPadding(headSize: number, dimension: 0 | 1): HeadPadding | undefined {
  const paddedSize = paddedHeadSize(headSize);
  return paddedSize === headSize ? undefined : { dimension, headSize, paddedSize };
}

/** Fills up heads at run time, where a rotation stands between weights and cache: (B, T, N·d) → (B, T, N·d′). */
export function padHeads(graph: Graph, address: string, x: Value, { numHeads, headSize }: CacheShape): Value {
  const size = paddedHeadSize(headSize);
  if (size === headSize) return x;
  const [B, T] = x.shape;
  const split = graph.op(
    `${address}/split/Reshape`,
    'Reshape',
    [x, graph.integers([0, 0, numHeads, headSize])],
    [B!, T!, numHeads, headSize],
  );
  const pads = graph.integers([0, 0, 0, 0, 0, 0, 0, size - headSize]);
  const padded = graph.op(`${address}/Pad`, 'Pad', [split, pads], [B!, T!, numHeads, size]);
  return graph.op(
    `${address}/Reshape`,
    'Reshape',
    [padded, graph.integers([0, 0, numHeads * size])],
    [B!, T!, numHeads * size],
  );
}

/** Takes out what padHeads put in: (B, T, N·d′) → (B, T, N·d). */
export function unpadHeads(graph: Graph, address: string, x: Value, { numHeads, headSize }: CacheShape): Value {
  const size = paddedHeadSize(headSize);
  if (size === headSize) return x;
  const [B, T] = x.shape;
  const split = graph.op(
    `${address}/split/Reshape`,
    'Reshape',
    [x, graph.integers([0, 0, numHeads, size])],
    [B!, T!, numHeads, size],
  );
  const range = [graph.integers([0]), graph.integers([headSize]), graph.integers([3])];
  const cut = graph.op(`${address}/Slice`, 'Slice', [split, ...range], [B!, T!, numHeads, headSize]);
  return graph.op(
    `${address}/Reshape`,
    'Reshape',
    [cut, graph.integers([0, 0, numHeads * headSize])],
    [B!, T!, numHeads * headSize],
  );
}

export interface DecoderInputs {
  /** (B, T) */
  readonly ids: Value;
  /** (B, T) */
  readonly positions: Value;
  /** Per layer: key and value, (B, N, past, d). */
  readonly past: readonly (readonly [key: Value, value: Value])[];
  /** (B) int32: the last valid position of each row, as GroupQueryAttention counts. */
  readonly lastPositions: Value;
  /** Scalar int32: length of the longest row, the new tokens included. */
  readonly totalLength: Value;
  /** Scalar int64; 0 = all. */
  readonly logitsToKeep: Value;
}

/** input_ids, attention_mask, position_ids, past_key_values.*, and num_logits_to_keep with a default. */
export function decoderInputs(graph: Graph, cache: CacheShape): DecoderInputs {
  const ids = graph.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  const mask = graph.input('attention_mask', 'int64', ['batch_size', 'total_sequence_length']);
  const positions = graph.input('position_ids', 'int64', ['batch_size', 'sequence_length']);
  const shape = ['batch_size', cache.numHeads, 'past_sequence_length', paddedHeadSize(cache.headSize)];
  const past = Array.from({ length: cache.numLayers }, (_, i) => {
    const [key, value] = ['key', 'value'].map((side) => graph.input(`past_key_values.${i}.${side}`, 'float32', shape));
    return [key!, value!] as const;
  });
  const bytes = new Uint8Array(BigInt64Array.of(0n).buffer);
  const logitsToKeep = graph.optionalInput('num_logits_to_keep', 'int64', [], { shape: [], bytes });
  return { ids, positions, past, ...lengths(graph, mask), logitsToKeep };
}

export interface CausalAttention {
  readonly cache: CacheShape;
  /** Index of the layer. */
  readonly layer: number;
  readonly inputs: Pick<DecoderInputs, 'past' | 'lastPositions' | 'totalLength'>;
  readonly scale: number;
  /** @default present.{layer}.{kind} */
  readonly presentName?: (kind: 'key' | 'value') => string;
  /** Added to the scores, (1|B, N, T, total). */
  readonly bias?: Value;
}

/**
 * Causal attention over the cache: q | k | v packed as one (B, T, 3·N·d), or q, k, v apart. When the same memory is
 * bound as past and present, the cache is updated in place. → (B, T, N·d)
 */
export function causalAttention(graph: Graph, address: string, qkv: readonly Value[], options: CausalAttention): Value {
  const { cache, layer, inputs, scale, bias, presentName = (kind) => `present.${layer}.${kind}` } = options;
  const [query, key, value] = qkv;
  const [pastKey, pastValue] = inputs.past[layer]!;
  const width = cache.numHeads * paddedHeadSize(cache.headSize);
  const present = ['batch_size', cache.numHeads, 'total_sequence_length', paddedHeadSize(cache.headSize)];
  const ins = [
    query,
    key,
    value,
    pastKey,
    pastValue,
    inputs.lastPositions,
    inputs.totalLength,
    undefined,
    undefined,
    undefined,
    bias,
  ];
  const outs = [
    [`${address}/GroupQueryAttention:0`, 'float32', [...query!.shape.slice(0, 2), width]],
    [presentName('key'), 'float32', present],
    [presentName('value'), 'float32', present],
  ] as const;
  const [context, ...presents] = graph.node(`${address}/GroupQueryAttention`, 'GroupQueryAttention', ins, outs, {
    domain: MICROSOFT,
    attributes: { num_heads: cache.numHeads, kv_num_heads: cache.numHeads, scale: { float: scale } },
  });
  for (const output of presents) graph.outputs.push(output);
  return context!;
}

/** The last num_logits_to_keep positions of x, all for 0: (B, T, H) → (B, kept, H). */
export function lastPositions(graph: Graph, x: Value, logitsToKeep: Value): Value {
  const at = '/logits/kept';
  const count = graph.op(`${at}/Reshape`, 'Reshape', [logitsToKeep, graph.integers([1])], [1]);
  const start = graph.op(`${at}/Neg`, 'Neg', [count], [1]); // −0 = 0: from the first
  const end = graph.integers([Number.MAX_SAFE_INTEGER]);
  return graph.op(
    `${at}/Slice`,
    'Slice',
    [x, start, end, graph.integers([1])],
    [x.shape[0]!, 'logits_length', x.shape[2]!],
  );
}

/** logits with a table [V, H]: those of the last num_logits_to_keep positions. */
export function decoderLogits(graph: Graph, x: Value, table: Table, inputs: DecoderInputs, bias?: Value): Value {
  return tiedLogits(graph, '/lm_head', lastPositions(graph, x, inputs.logitsToKeep), table, bias);
}

// --- internal ---

function lengths(graph: Graph, mask: Value): Pick<DecoderInputs, 'lastPositions' | 'totalLength'> {
  const at = '/lengths';
  const counts = graph.op(`${at}/ReduceSum`, 'ReduceSum', [mask, graph.integers([1])], ['batch_size'], {
    attributes: { keepdims: 0 },
  });
  const last = graph.op(`${at}/Sub`, 'Sub', [counts, graph.integers([1], [])], ['batch_size']);
  const shape = graph.op(`${at}/Shape`, 'Shape', [mask], [2], { dtype: 'int64' });
  const total = graph.op(`${at}/Gather`, 'Gather', [shape, graph.integers([1], [])], []);
  const toInt32 = (x: Value, name: string): Value =>
    graph.op(`${at}/${name}/Cast`, 'Cast', [x], x.shape, { dtype: 'int32', attributes: { to: 6 } });
  return { lastPositions: toInt32(last, 'last'), totalLength: toInt32(total, 'total') };
}
