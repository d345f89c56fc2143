/**
 * The graphs that T5 and Megatron-T5 share: an encoder, and a decoder with two caches, its own keys and values and those
 * of the encoder, which are computed once. Where the two differ (norms, biases, positions, scale, names, head), the
 * family decides.
 *
 * Inputs and outputs carry optimum's names (encoder_model, decoder_model_merged). Instead of two branches, the decoder
 * reads the encoder's keys and values as past ‖ new, where new has no rows once use_cache_branch is true.
 */
import { Graph, type GraphOptions, type Value } from '../onnx/graph.ts';
import { add, LOWEST_FLOAT32, linear, multiHeadAttention, paddingBias, scalarOf, sizeOf } from '../onnx/ops.ts';
import { IntegrityError } from '../util/errors.ts';
import type { GraphPlan, TensorSpec } from './architecture.ts';
import { type CacheShape, causalAttention, headPadding, lastPositions, paddedHeadSize } from './decoder-parts.ts';

export type Side = 'encoder' | 'decoder';

export interface Seq2SeqConfig {
  readonly vocabularyRows: number;
  readonly hiddenSize: number;
  readonly numHeads: number;
  readonly headSize: number;
  readonly intermediateSize: number;
  readonly numEncoderLayers: number;
  readonly numDecoderLayers: number;
  readonly layerNormEps: number;
  /** What scores are multiplied with. */
  readonly scale: number;
}

/** Prefixes of the tensors of one attention: q, k, v, o, and the norm before it. */
export interface AttentionNames {
  readonly norm: string;
  readonly attention: string;
}

/** What tells T5 and Megatron-T5 apart. */
export interface Seq2SeqFamily {
  /** True when linear maps have biases. */
  readonly biased: boolean;
  selfAttention(side: Side, layer: number): AttentionNames;
  crossAttention(layer: number): AttentionNames;
  feedForward(side: Side, layer: number): { readonly norm: string; readonly prefix: string };
  finalNorm(side: Side): string;
  normTensors(prefix: string): TensorSpec[];
  feedForwardTensors(prefix: string): TensorSpec[];
  /** The first norm of a stack: (B, T, H) → (B, T, H). */
  norm(graph: Graph, address: string, x: Value, prefix: string): Value;
  /** update (+ bias) + stream, and the norm of the sum. */
  residual(
    graph: Graph,
    address: string,
    update: Value,
    bias: Value | undefined,
    stream: Value,
    normPrefix: string,
  ): { normed: Value; sum: Value };
  /** Token vectors at positions `start`, start + 1, …: (B, T) → (B, T, H). `start` is an int64 [1]. */
  embed(graph: Graph, side: Side, ids: Value, start: Value): Value;
  /** Position bias added to self-attention's scores, (1, N, T, total), where the family has one. */
  positionBias?(graph: Graph, side: Side, queryStart: Value, queries: Value, keys: Value): Value;
  /** The feed-forward up to the last bias: (B, T, H) → (B, T, H). */
  feed(graph: Graph, address: string, x: Value, prefix: string): Value;
  /** Logits of the last hidden state (B, T, H) → (B, T, V). */
  head(graph: Graph, x: Value): Value;
}

/** The tensors of both stacks, without embeddings and head. */
export function stackTensors(config: Seq2SeqConfig, family: Seq2SeqFamily): TensorSpec[] {
  const { hiddenSize: H } = config;
  const inner = config.numHeads * config.headSize;
  const dense = (prefix: string, outFeatures: number, inFeatures: number): TensorSpec[] => [
    { name: `${prefix}.weight`, shape: [outFeatures, inFeatures] },
    ...(family.biased ? [{ name: `${prefix}.bias`, shape: [outFeatures] }] : []),
  ];
  const attention = ({ norm, attention: prefix }: AttentionNames): TensorSpec[] => [
    ...family.normTensors(norm),
    ...['q', 'k', 'v'].flatMap((part) => dense(`${prefix}.${part}`, inner, H)),
    ...dense(`${prefix}.o`, H, inner),
  ];
  return (['encoder', 'decoder'] as const).flatMap((side) => [
    ...Array.from({ length: layersOf(config, side) }, (_, i) => {
      const { norm, prefix } = family.feedForward(side, i);
      return [
        ...attention(family.selfAttention(side, i)),
        ...(side === 'decoder' ? attention(family.crossAttention(i)) : []),
        ...family.normTensors(norm),
        ...family.feedForwardTensors(prefix),
      ];
    }).flat(),
    ...family.normTensors(family.finalNorm(side)),
  ]);
}

/** encoder_model, decoder_model_merged, and the probe: both stacks with one layer each, in one graph. */
export function seq2seqGraphs(
  name: string,
  config: Seq2SeqConfig,
  family: Seq2SeqFamily,
): { graphs: GraphPlan[]; probe: GraphPlan } {
  const cut = { ...config, numEncoderLayers: 1, numDecoderLayers: 1 };
  const encoderOutputs = [{ name: 'encoder_last_hidden_state', graphName: 'last_hidden_state' }];
  const decoderOutputs = ['logits', 'decoder_last_hidden_state'].map((output) => ({ name: output, graphName: output }));
  return {
    graphs: [
      {
        name: 'encoder_model',
        outputs: encoderOutputs,
        build: (options) => encoderGraph(name, config, family, options),
      },
      {
        name: 'decoder_model_merged',
        outputs: decoderOutputs,
        build: (options) => decoderGraph(name, config, family, options),
      },
    ],
    probe: {
      name: 'probe',
      outputs: [...encoderOutputs, ...decoderOutputs],
      build: (options) => probeGraph(name, cut, family, options),
    },
  };
}

/** start, start + 1, …: as many as ids has columns, or `count` (an int64 [1]) says. `start` is an int64 [1]. → (T) */
export function positionRange(
  graph: Graph,
  address: string,
  of: Value | { readonly count: Value; readonly name: string },
  start: Value,
): Value {
  const at = `${address}/positions`;
  const [count, name] = 'count' in of ? [of.count, of.name] : [sizeOf(graph, at, of, 1), of.shape[1]!];
  const end = graph.op(`${at}/Add`, 'Add', [start, count], [1]);
  const [from, to] = [scalarOf(graph, `${at}/start`, start), scalarOf(graph, `${at}/end`, end)];
  return graph.op(`${at}/Range`, 'Range', [from, to, graph.integers([1], [])], [name]);
}

/** N·d is in the tensors, N in config.json or in another tensor. */
export function headSizeOf(inner: number, numHeads: number): number {
  if (Number.isInteger(inner / numHeads)) return inner / numHeads;
  throw new IntegrityError(`${numHeads} heads do not divide the ${inner} rows of the query matrix`, {
    code: 'malformed-config',
    facts: { numHeads, inner },
  });
}

// --- internal ---

const layersOf = (config: Seq2SeqConfig, side: Side): number =>
  side === 'encoder' ? config.numEncoderLayers : config.numDecoderLayers;

function encoderGraph(name: string, config: Seq2SeqConfig, family: Seq2SeqFamily, options: GraphOptions): Graph {
  const graph = new Graph(`${name}-encoder`, options);
  const ids = graph.input('input_ids', 'int64', ['batch_size', 'encoder_sequence_length']);
  const mask = graph.input('attention_mask', 'int64', ['batch_size', 'encoder_sequence_length']);
  graph.output('last_hidden_state', encode(graph, config, family, ids, mask));
  return graph;
}

function decoderGraph(name: string, config: Seq2SeqConfig, family: Seq2SeqFamily, options: GraphOptions): Graph {
  const graph = new Graph(`${name}-decoder`, options);
  const mask = graph.input('encoder_attention_mask', 'int64', ['batch_size', 'encoder_sequence_length']);
  const ids = graph.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  const memory = graph.input('encoder_hidden_states', 'float32', [
    'batch_size',
    'encoder_sequence_length',
    config.hiddenSize,
  ]);
  const cached = graph.input('use_cache_branch', 'bool', [1]);
  decode(graph, config, family, { ids, memory, mask, cached });
  return graph;
}

function probeGraph(name: string, config: Seq2SeqConfig, family: Seq2SeqFamily, options: GraphOptions): Graph {
  const graph = new Graph(`${name}-probe`, options);
  const ids = graph.input('input_ids', 'int64', ['batch_size', 'encoder_sequence_length']);
  const mask = graph.input('attention_mask', 'int64', ['batch_size', 'encoder_sequence_length']);
  const decoderIds = graph.input('decoder_input_ids', 'int64', ['batch_size', 'sequence_length']);
  const memory = encode(graph, config, family, ids, mask);
  graph.output('last_hidden_state', memory);
  decode(graph, config, family, { ids: decoderIds, memory, mask });
  return graph;
}

/** The encoder: (B, T) → (B, T, H). */
function encode(graph: Graph, config: Seq2SeqConfig, family: Seq2SeqFamily, ids: Value, mask: Value): Value {
  const zero = graph.integers([0]);
  const length = sizeOf(graph, '/encoder/length', ids, 1);
  let stream = family.embed(graph, 'encoder', ids, zero);
  let bias = paddingBias(graph, '/encoder/attention_mask', mask); // (B, 1, T, T)
  const places = family.positionBias?.(graph, 'encoder', zero, length, length); // (1, N, T, T)
  if (places)
    bias = graph.op(
      '/encoder/bias/Add',
      'Add',
      [bias, places],
      [bias.shape[0]!, config.numHeads, ...bias.shape.slice(2)],
    );
  let normed = family.norm(graph, '/encoder/block.0', stream, family.selfAttention('encoder', 0).norm);
  for (let i = 0; i < config.numEncoderLayers; i++) {
    const at = `/encoder/block.${i}`;
    const { attention } = family.selfAttention('encoder', i);
    const qkv = ['q', 'k', 'v'].map((part) =>
      project(graph, `${at}/attention/${part}`, normed, `${attention}.${part}`, config, family),
    );
    const context = multiHeadAttention(graph, `${at}/attention`, qkv as [Value, Value, Value], {
      numHeads: config.numHeads,
      bias,
      scale: config.scale,
    });
    const attended = projectOut(graph, `${at}/attention/o`, context, attention, config);
    const next = family.feedForward('encoder', i);
    ({ normed, sum: stream } = family.residual(
      graph,
      `${at}/ff/norm`,
      attended,
      outBias(graph, `${attention}.o`, config, family),
      stream,
      next.norm,
    ));
    const fed = family.feed(graph, `${at}/ff`, normed, next.prefix);
    const [norm, normAt] =
      i === config.numEncoderLayers - 1
        ? [family.finalNorm('encoder'), '/encoder/final_norm']
        : [family.selfAttention('encoder', i + 1).norm, `/encoder/block.${i + 1}/norm`];
    ({ normed, sum: stream } = family.residual(
      graph,
      normAt,
      fed,
      outBias(graph, `${next.prefix}.wo`, config, family),
      stream,
      norm,
    ));
  }
  return normed;
}

interface DecodeInputs {
  readonly ids: Value;
  /** The encoder's last hidden state, (B, T′, H), and mask, (B, T′). */
  readonly memory: Value;
  readonly mask: Value;
  /** bool [1]: the encoder's keys and values are in the cache already. Absent: they are not. */
  readonly cached?: Value;
}

/** The decoder over both caches; names logits, decoder_last_hidden_state and present.*. */
function decode(
  graph: Graph,
  config: Seq2SeqConfig,
  family: Seq2SeqFamily,
  { ids, memory, mask, cached }: DecodeInputs,
): void {
  const { numHeads, headSize, numDecoderLayers } = config;
  const cache: CacheShape = { numLayers: numDecoderLayers, numHeads, headSize };
  const past = pastInputs(graph, cache);
  const fallback = new Uint8Array(BigInt64Array.of(-1n).buffer);
  const told = graph.optionalInput('past_length', 'int64', [1], { shape: [1], bytes: fallback });
  const keepBytes = new Uint8Array(BigInt64Array.of(0n).buffer);
  const logitsToKeep = graph.optionalInput('num_logits_to_keep', 'int64', [], { shape: [], bytes: keepBytes });

  const start = pastLength(graph, told, past[0]!.self[0]); // [1]
  const length = sizeOf(graph, '/decoder/length', ids, 1);
  const total = graph.op('/decoder/total/Add', 'Add', [start, length], [1]);
  const inputs = { ...lengthsOf(graph, total, ids), past: past.map(({ self }) => self) };
  const memoryRows = newMemoryRows(graph, memory, cached);
  const crossBias = memoryBias(graph, mask, ids); // (B, 1, T, T′)
  const places = family.positionBias?.(graph, 'decoder', start, length, total); // (1, N, T, total)

  let stream = family.embed(graph, 'decoder', ids, start);
  let normed = family.norm(graph, '/decoder/block.0', stream, family.selfAttention('decoder', 0).norm);
  for (let i = 0; i < numDecoderLayers; i++) {
    const at = `/decoder/block.${i}`;
    const { attention: own } = family.selfAttention('decoder', i);
    const qkv = ['q', 'k', 'v'].map((part) =>
      project(graph, `${at}/self/${part}`, normed, `${own}.${part}`, config, family, true),
    );
    const context = causalAttention(graph, `${at}/self`, qkv, {
      cache,
      layer: i,
      inputs,
      scale: config.scale,
      presentName: (kind) => `present.${i}.decoder.${kind}`,
      ...(places && { bias: places }),
    });
    const attended = projectOut(graph, `${at}/self/o`, context, own, config, true);
    const cross = family.crossAttention(i);
    ({ normed, sum: stream } = family.residual(
      graph,
      `${at}/cross/norm`,
      attended,
      outBias(graph, `${own}.o`, config, family),
      stream,
      cross.norm,
    ));

    const query = project(graph, `${at}/cross/q`, normed, `${cross.attention}.q`, config, family);
    const [key, value] = (['key', 'value'] as const).map((kind, k) =>
      memoryHeads(
        graph,
        `${at}/cross/${kind}`,
        memoryRows,
        `${cross.attention}.${kind === 'key' ? 'k' : 'v'}`,
        past[i]!.memory[k]!,
        `present.${i}.encoder.${kind}`,
        config,
        family,
      ),
    );
    const looked = multiHeadAttention(graph, `${at}/cross`, [query, key!, value!], {
      numHeads,
      bias: crossBias,
      scale: config.scale,
    });
    const crossed = projectOut(graph, `${at}/cross/o`, looked, cross.attention, config);
    const next = family.feedForward('decoder', i);
    ({ normed, sum: stream } = family.residual(
      graph,
      `${at}/ff/norm`,
      crossed,
      outBias(graph, `${cross.attention}.o`, config, family),
      stream,
      next.norm,
    ));

    const fed = family.feed(graph, `${at}/ff`, normed, next.prefix);
    const [norm, normAt] =
      i === numDecoderLayers - 1
        ? [family.finalNorm('decoder'), '/decoder/final_norm']
        : [family.selfAttention('decoder', i + 1).norm, `/decoder/block.${i + 1}/norm`];
    ({ normed, sum: stream } = family.residual(
      graph,
      normAt,
      fed,
      outBias(graph, `${next.prefix}.wo`, config, family),
      stream,
      norm,
    ));
  }
  graph.output('logits', family.head(graph, lastPositions(graph, normed, logitsToKeep)));
  graph.output('decoder_last_hidden_state', normed);
}

interface LayerPast {
  readonly self: readonly [key: Value, value: Value];
  readonly memory: readonly [key: Value, value: Value];
}

/** past_key_values.{i}.decoder.* (B, N, past, d′) and past_key_values.{i}.encoder.* (B, N, T′ or 0, d). */
function pastInputs(graph: Graph, { numLayers, numHeads, headSize }: CacheShape): LayerPast[] {
  return Array.from({ length: numLayers }, (_, i) => {
    const pair = (side: Side, length: string, size: number): readonly [Value, Value] => {
      const shape = ['batch_size', numHeads, length, size];
      return [
        graph.input(`past_key_values.${i}.${side}.key`, 'float32', shape),
        graph.input(`past_key_values.${i}.${side}.value`, 'float32', shape),
      ];
    };
    return {
      self: pair('decoder', 'past_sequence_length', paddedHeadSize(headSize)),
      memory: pair('encoder', 'past_encoder_sequence_length', headSize),
    };
  });
}

/** Tokens in the cache: past_length, or the size of the past for clients that let it grow. [1] */
function pastLength(graph: Graph, told: Value, pastKey: Value): Value {
  const at = '/decoder/past';
  const size = sizeOf(graph, at, pastKey, 2);
  const isUntold = graph.op(`${at}/Less`, 'Less', [told, graph.integers([0])], [1], { dtype: 'bool' });
  return graph.op(`${at}/Where`, 'Where', [isUntold, size, told], [1], { dtype: 'int64' });
}

function lengthsOf(graph: Graph, total: Value, ids: Value): { lastPositions: Value; totalLength: Value } {
  const at = '/decoder/lengths';
  const last = graph.op(`${at}/Sub`, 'Sub', [total, graph.integers([1])], [1]);
  const rows = graph.op(`${at}/Expand`, 'Expand', [last, sizeOf(graph, `${at}/batch`, ids, 0)], ['batch_size']);
  const int32 = { dtype: 'int32', attributes: { to: 6 } } as const;
  return {
    lastPositions: graph.op(`${at}/last/Cast`, 'Cast', [rows], ['batch_size'], int32),
    totalLength: graph.op(`${at}/total/Cast`, 'Cast', [scalarOf(graph, `${at}/total`, total)], [], int32),
  };
}

/** The encoder's rows whose keys and values are not in the cache: all of them, or none. */
function newMemoryRows(graph: Graph, memory: Value, cached: Value | undefined): Value {
  if (!cached) return memory;
  const at = '/decoder/memory';
  const count = graph.op(`${at}/Where`, 'Where', [cached, graph.integers([0]), sizeOf(graph, at, memory, 1)], [1], {
    dtype: 'int64',
  });
  return graph.op(
    `${at}/Slice`,
    'Slice',
    [memory, graph.integers([0]), count, graph.integers([1])],
    [memory.shape[0]!, 'new_encoder_length', memory.shape[2]!],
  );
}

/** past ‖ new keys or values of the encoder, (B, N, T′, d), named as an output. */
function memoryHeads(
  graph: Graph,
  at: string,
  rows: Value,
  prefix: string,
  past: Value,
  outputName: string,
  config: Seq2SeqConfig,
  family: Seq2SeqFamily,
): Value {
  const { numHeads, headSize } = config;
  const flat = project(graph, at, rows, prefix, config, family);
  const split = graph.op(
    `${at}/Reshape`,
    'Reshape',
    [flat, graph.integers([0, 0, numHeads, headSize])],
    [...rows.shape.slice(0, 2), numHeads, headSize],
  );
  const heads = graph.op(
    `${at}/Transpose`,
    'Transpose',
    [split],
    [rows.shape[0]!, numHeads, rows.shape[1]!, headSize],
    { attributes: { perm: [0, 2, 1, 3] } },
  );
  const shape = ['batch_size', numHeads, 'encoder_sequence_length', headSize];
  const [joined] = graph.node(`${at}/Concat`, 'Concat', [past, heads], [[outputName, 'float32', shape]], {
    attributes: { axis: 2 },
  });
  graph.outputs.push(joined!);
  return joined!;
}

/** 0 where the encoder's token is real, the lowest float32 where it is padding: (B, 1, T, T′). */
function memoryBias(graph: Graph, mask: Value, ids: Value): Value {
  const at = '/decoder/encoder_attention_mask';
  const isPadding = graph.op(`${at}/Equal`, 'Equal', [mask, graph.integers([0], [])], mask.shape, { dtype: 'bool' });
  const penalty = graph.op(
    `${at}/Where`,
    'Where',
    [isPadding, graph.scalar(LOWEST_FLOAT32), graph.scalar(0)],
    mask.shape,
    { dtype: 'float32' },
  );
  const keys = graph.op(
    `${at}/Unsqueeze`,
    'Unsqueeze',
    [penalty, graph.integers([1, 2])],
    [mask.shape[0]!, 1, 1, mask.shape[1]!],
  );
  const sizes = [
    sizeOf(graph, `${at}/batch`, ids, 0),
    graph.integers([1]),
    sizeOf(graph, `${at}/length`, ids, 1),
    graph.integers([1]),
  ];
  const target = graph.op(`${at}/Concat`, 'Concat', sizes, [4], { attributes: { axis: 0 } });
  return graph.op(`${at}/Expand`, 'Expand', [keys, target], [mask.shape[0]!, 1, ids.shape[1]!, mask.shape[1]!]);
}

/** q, k or v: (B, T, H) → (B, T, N·d); `padded`: with heads as the cache wants them. */
function project(
  graph: Graph,
  at: string,
  x: Value,
  prefix: string,
  config: Seq2SeqConfig,
  family: Seq2SeqFamily,
  padded = false,
): Value {
  const { hiddenSize, numHeads, headSize } = config;
  const heads = padded ? headPadding(headSize, 1) : undefined;
  const width = numHeads * (heads?.paddedSize ?? headSize);
  const product = linear(graph, at, x, {
    tensors: [`${prefix}.weight`],
    inFeatures: hiddenSize,
    outFeatures: width,
    heads,
  });
  if (!family.biased) return product;
  const bias = graph.weight(`${prefix}.bias${heads ? `|heads of ${heads.paddedSize}` : ''}`, [width], {
    kind: 'checkpoint',
    tensors: [`${prefix}.bias`],
    transpose: false,
    heads: heads && { ...heads, dimension: 0 },
  });
  return add(graph, at, product, bias);
}

/** The output projection without its bias: (B, T, N·d) → (B, T, H). */
function projectOut(graph: Graph, at: string, x: Value, prefix: string, config: Seq2SeqConfig, padded = false): Value {
  const heads = padded ? headPadding(config.headSize, 0) : undefined;
  const width = config.numHeads * (heads?.paddedSize ?? config.headSize);
  return linear(graph, at, x, {
    tensors: [`${prefix}.o.weight`],
    inFeatures: width,
    outFeatures: config.hiddenSize,
    heads,
  });
}

function outBias(graph: Graph, prefix: string, config: Seq2SeqConfig, family: Seq2SeqFamily): Value | undefined {
  return family.biased ? graph.tensor(`${prefix}.bias`, [config.hiddenSize]) : undefined;
}
