/**
 * The decoder that T5 and Megatron-T5 share, over two caches: its own keys and values, and those of the encoder, which are
 * computed once: they are read as past ‖ new, where new has no rows once use_cache_branch is true.
 */
import type { Graph, Value } from '../onnx/graph.ts';
import { LOWEST_FLOAT32, multiHeadAttention, scalarOf, sizeOf } from '../onnx/ops.ts';
import { type CacheShape, causalAttention, lastPositions, paddedHeadSize } from './decoder-parts.ts';
import {
  feedForwardStep,
  outBias,
  project,
  projectOut,
  type Seq2SeqConfig,
  type Seq2SeqFamily,
  type Side,
} from './seq2seq-family.ts';

export interface DecodeInputs {
  readonly ids: Value;
  /** The encoder's last hidden state, (B, T′, H), and mask, (B, T′). */
  readonly memory: Value;
  readonly mask: Value;
  /** bool [1]: the encoder's keys and values are in the cache already. Absent: they are not. */
  readonly cached?: Value;
}

/** The decoder over both caches; names logits, decoder_last_hidden_state and present.*. */
export function decode(
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

    const place = { side: 'decoder', block: i, isLast: i === numDecoderLayers - 1 } as const;
    ({ normed, sum: stream } = feedForwardStep(graph, place, { normed, stream }, config, family));
  }
  graph.output('logits', family.head(graph, lastPositions(graph, normed, logitsToKeep)));
  graph.output('decoder_last_hidden_state', normed);
}

// --- internal ---

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
