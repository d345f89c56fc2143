/**
 * T5 and mT5: Randeng-T5. RMSNorm, no biases, no positions but a bias of the scores by relative distance, attention that
 * is not scaled, feed-forward plain or gated, output tied (then rescaled) or not.
 * Source: transformers/models/{t5,mt5}/modeling_*.py (v4.57); Raffel et al., arXiv:1910.10683.
 */
import type { Graph, Value } from '../onnx/graph.ts';
import { addAndRmsNorm, rmsNorm } from '../onnx/ops.ts';
import { embedding, linear, tiedLogits } from '../onnx/products.ts';
import { UnsupportedError } from '../util/errors.ts';
import type { Architecture, ConfigJson, ModelPlan } from './architecture.ts';
import { numberField, tokenIdField } from './config-json.ts';
import { paddedHeadSize } from './decoder-parts.ts';
import { t5Probe } from './reference/t5.ts';
import { relativeBuckets } from './relative-buckets.ts';
import { positionRange, seq2seqGraphs, stackTensors } from './seq2seq.ts';
import { headSizeOf, type Seq2SeqConfig, type Seq2SeqFamily, type Side } from './seq2seq-family.ts';
import type { Tensors } from './tensors.ts';

/** The feed-forwards of config.json's feed_forward_proj. */
const FEED_FORWARDS = {
  relu: { gated: false, op: 'Relu', domain: undefined },
  gelu: { gated: false, op: 'Gelu', domain: 'com.microsoft' },
  'gated-relu': { gated: true, op: 'Relu', domain: undefined },
  /** transformers reads "gated-gelu" as the tanh form */
  'gated-gelu': { gated: true, op: 'FastGelu', domain: 'com.microsoft' },
} as const;

export type FeedForward = keyof typeof FEED_FORWARDS;

export interface T5Config extends Seq2SeqConfig {
  readonly feedForward: FeedForward;
  readonly tied: boolean;
  readonly numBuckets: number;
  readonly maxDistance: number;
}

/** Texts are cut here; relative positions have no end of their own, and the models were trained on 512 tokens. */
const TRAINED_POSITIONS = 512;

/** Asked for in prompts (answers fill them in); pieces of the vocabulary, but of no use unless split off first. */
const SENTINELS = Array.from({ length: 100 }, (_, i) => `<extra_id_${i}>`);

export const t5: Architecture = {
  name: 't5',
  buffers: [/^(encoder|decoder)\.embed_tokens\.weight$/],

  matches: (tensors) => tensors.some(/^(encoder|decoder)\.block\.\d+\.layer\.0\.SelfAttention\./),

  plan(tensors, configJson): ModelPlan {
    const config = readConfig(tensors, configJson);
    const { vocabularyRows: V, hiddenSize: H, ...rest } = config;
    const family = familyOf(config);
    const { graphs, probe } = seq2seqGraphs('t5', config, family);
    const biases = (['encoder', 'decoder'] as const).map((side) => ({
      name: biasName(side),
      shape: [config.numBuckets, config.numHeads],
    }));
    return {
      architecture: 't5',
      workload: 'decoder',
      task: 'text2text-generation',
      dimensions: {
        vocabularyRows: V,
        hiddenSize: H,
        ...rest,
        cacheHeadSize: paddedHeadSize(config.headSize),
        trainedPositions: TRAINED_POSITIONS,
        startTokenId: tokenIdField(configJson, 'decoder_start_token_id', V) ?? 0,
        endTokenId: tokenIdField(configJson, 'eos_token_id', V) ?? 1,
      },
      labels: null,
      tensors: [
        { name: 'shared.weight', shape: [V, H] },
        ...biases,
        ...stackTensors(config, family),
        ...(config.tied ? [] : [{ name: 'lm_head.weight', shape: [V, H] }]),
      ],
      aliases: config.tied ? { 'lm_head.weight': 'shared.weight' } : {},
      addedTokens: SENTINELS,
      graphs,
      probe: t5Probe(config, probe),
    };
  },
};

// --- internal ---

const biasName = (side: Side): string => `${side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`;

function readConfig(tensors: Tensors, config: ConfigJson): T5Config {
  const [vocabularyRows, hiddenSize] = tensors.shapeOf('shared.weight', 'V', 'D') as [number, number];
  const [numBuckets, numHeads] = tensors.shapeOf(biasName('encoder'), 'buckets', 'N') as [number, number];
  const inner = tensors.shapeOf('encoder.block.0.layer.0.SelfAttention.q.weight', 'N·d', 'D')[0]!;
  const feedForward = feedForwardOf(config);
  const wide = FEED_FORWARDS[feedForward].gated ? 'wi_0' : 'wi';
  return {
    vocabularyRows,
    hiddenSize,
    numHeads,
    headSize: headSizeOf(inner, numHeads),
    intermediateSize: tensors.shapeOf(`encoder.block.0.layer.1.DenseReluDense.${wide}.weight`, 'F', 'D')[0]!,
    numEncoderLayers: tensors.countLayers(/^encoder\.block\.(\d+)\./),
    numDecoderLayers: tensors.countLayers(/^decoder\.block\.(\d+)\./),
    layerNormEps: numberField(config, 'layer_norm_epsilon', 1e-6),
    scale: 1,
    feedForward,
    // T5's config ties unless told not to; mT5's says so itself
    tied: !tensors.has('lm_head.weight') || config.tie_word_embeddings !== false,
    numBuckets,
    maxDistance: numberField(config, 'relative_attention_max_distance', 128),
  };
}

function feedForwardOf(config: ConfigJson): FeedForward {
  const name = config.feed_forward_proj ?? 'relu';
  if (typeof name === 'string' && Object.hasOwn(FEED_FORWARDS, name)) return name as FeedForward;
  throw new UnsupportedError(
    `config.json: "feed_forward_proj" is ${JSON.stringify(name)}; supported are ${Object.keys(FEED_FORWARDS).join(', ')}`,
    {
      code: 'unsupported-activation',
    },
  );
}

function familyOf(config: T5Config): Seq2SeqFamily {
  const { vocabularyRows: V, hiddenSize: H, intermediateSize: I, layerNormEps: eps } = config;
  const { gated, op, domain } = FEED_FORWARDS[config.feedForward];
  const wides = gated ? ['wi_0', 'wi_1'] : ['wi'];
  const words = { tensor: 'shared.weight', rows: V, size: H };
  const layer = (side: Side, i: number, part: number): string => `${side}.block.${i}.layer.${part}`;
  return {
    biased: false,
    selfAttention: (side, i) => ({
      norm: `${layer(side, i, 0)}.layer_norm`,
      attention: `${layer(side, i, 0)}.SelfAttention`,
    }),
    crossAttention: (i) => ({
      norm: `${layer('decoder', i, 1)}.layer_norm`,
      attention: `${layer('decoder', i, 1)}.EncDecAttention`,
    }),
    feedForward(side, i) {
      const at = layer(side, i, side === 'encoder' ? 1 : 2);
      return { norm: `${at}.layer_norm`, prefix: `${at}.DenseReluDense` };
    },
    finalNorm: (side) => `${side}.final_layer_norm`,
    normTensors: (prefix) => [{ name: `${prefix}.weight`, shape: [H] }],
    feedForwardTensors: (prefix) => [
      ...wides.map((wide) => ({ name: `${prefix}.${wide}.weight`, shape: [I, H] })),
      { name: `${prefix}.wo.weight`, shape: [H, I] },
    ],
    norm: (graph, at, x, prefix) => rmsNorm(graph, `${at}/RMSNorm`, x, prefix, eps),
    residual: (graph, at, update, _bias, stream, norm) => addAndRmsNorm(graph, at, update, stream, norm, eps),
    embed: (graph, side, ids) => embedding(graph, `/${side}/embeddings`, words, ids),
    positionBias: (graph, side, start, queries, keys) => relativeBias(graph, side, config, { start, queries, keys }),
    feed(graph, at, x, prefix) {
      const [first, second] = wides.map((wide) =>
        linear(graph, `${at}/${wide}`, x, { tensors: [`${prefix}.${wide}.weight`], inFeatures: H, outFeatures: I }),
      );
      const active = graph.op(`${at}/${op}`, op, [first], first!.shape, domain ? { domain } : {});
      const wide = second ? graph.op(`${at}/gate/Mul`, 'Mul', [active, second], active.shape) : active;
      return linear(graph, `${at}/wo`, wide, { tensors: [`${prefix}.wo.weight`], inFeatures: I, outFeatures: H });
    },
    head(graph, x) {
      if (!config.tied) return tiedLogits(graph, '/lm_head', x, { ...words, tensor: 'lm_head.weight' }, undefined);
      const scaled = graph.op('/lm_head/Mul', 'Mul', [x, graph.scalar(H ** -0.5)], x.shape);
      return tiedLogits(graph, '/lm_head', scaled, words, undefined);
    },
  };
}

/**
 * The bias of query start+i and key j, by the bucket of their distance j − (start+i): (1, N, T, total).
 * Buckets come from a table over the distances up to maxDistance, beyond which they do not change.
 */
function relativeBias(
  graph: Graph,
  side: Side,
  config: T5Config,
  { start, queries, keys }: { start: Value; queries: Value; keys: Value },
): Value {
  const { numBuckets, numHeads, maxDistance } = config;
  const at = `/${side}/relative_attention_bias`;
  const [T, K] = ['sequence_length', 'total_sequence_length'];
  const from = (at2: string, first: Value, count: Value, name: string): Value =>
    positionRange(graph, at2, { count, name }, first);
  const rows = graph.op(
    `${at}/queries/Unsqueeze`,
    'Unsqueeze',
    [from(`${at}/queries`, start, queries, T!), graph.integers([1])],
    [T!, 1],
  );
  const columns = from(`${at}/keys`, graph.integers([0]), keys, K!);
  const distance = graph.op(`${at}/Sub`, 'Sub', [columns, rows], [T!, K!]);
  const clipped = graph.op(
    `${at}/Min`,
    'Min',
    [
      graph.op(`${at}/Max`, 'Max', [distance, graph.integers([-maxDistance], [])], [T!, K!]),
      graph.integers([maxDistance], []),
    ],
    [T!, K!],
  );
  const index = graph.op(`${at}/Add`, 'Add', [clipped, graph.integers([maxDistance], [])], [T!, K!]);
  const buckets = relativeBuckets({ numBuckets, maxDistance, bidirectional: side === 'encoder' });
  const table = graph.integers(buckets, [buckets.length], `buckets by distance, ${side}`);
  const bucket = graph.op(`${at}/bucket/Gather`, 'Gather', [table, index], [T!, K!]);
  const values = graph.op(
    `${at}/Gather`,
    'Gather',
    [graph.tensor(biasName(side), [numBuckets, numHeads]), bucket],
    [T!, K!, numHeads],
  );
  const heads = graph.op(`${at}/Transpose`, 'Transpose', [values], [numHeads, T!, K!], {
    attributes: { perm: [2, 0, 1] },
  });
  return graph.op(`${at}/Unsqueeze`, 'Unsqueeze', [heads, graph.integers([0])], [1, numHeads, T!, K!]);
}
