/**
 * Megatron-T5: Randeng-770M. An encoder-decoder with LayerNorm and biases everywhere, one table of learned positions for
 * both stacks, scaled attention, and logits tied to the embedding without rescaling.
 * Source: fengshen/models/megatron_t5/modeling_megatron_t5.py; its cache restarts positions at 0, which is a mistake.
 */
import { add, addAndNorm, biasedActivation, layerNorm } from '../onnx/ops.ts';
import { embedding, linear, tiedLogits } from '../onnx/products.ts';
import type { Architecture, ConfigJson, ModelPlan } from './architecture.ts';
import { choiceField, numberField } from './config-json.ts';
import { paddedHeadSize } from './decoder-parts.ts';
import { normTensors } from './encoder-parts.ts';
import { megatronT5Probe } from './reference/megatron-t5.ts';
import { positionRange, seq2seqGraphs, stackTensors } from './seq2seq.ts';
import { headSizeOf, type Seq2SeqConfig, type Seq2SeqFamily } from './seq2seq-family.ts';
import type { Tensors } from './tensors.ts';

export interface MegatronT5Config extends Seq2SeqConfig {
  readonly maxPositions: number;
  readonly activation: 'gelu' | 'relu';
}

const WORDS = 'shared.word_embeddings.weight';
const POSITIONS = 'shared.position_embeddings.weight';

/** What fengshen's tokenizer class adds to vocab.txt. */
const ADDED_TOKENS = ['[BOS]', '[EOS]', ...Array.from({ length: 118 }, (_, i) => `<extra_id_${i}>`)];

export const megatronT5: Architecture = {
  name: 'megatron-t5',
  buffers: [/^shared\.position_ids$/],

  matches: (tensors) => tensors.some(/\.T5LayerSelfAttention\./) || tensors.has('lm_head_bias'),

  plan(tensors, configJson): ModelPlan {
    const config = readConfig(tensors, configJson);
    const { vocabularyRows: V, hiddenSize: H, ...rest } = config;
    const family = familyOf(config);
    const { graphs, probe } = seq2seqGraphs('megatron-t5', config, family);
    return {
      architecture: 'megatron-t5',
      workload: 'decoder',
      task: 'text2text-generation',
      dimensions: {
        vocabularyRows: V,
        hiddenSize: H,
        ...rest,
        cacheHeadSize: paddedHeadSize(config.headSize),
        // config.json names other ids; generate() upstream has these written into it
        startToken: '[BOS]',
        endToken: '[EOS]',
      },
      labels: null,
      tensors: [
        { name: WORDS, shape: [V, H] },
        { name: POSITIONS, shape: [config.maxPositions, H] },
        ...stackTensors(config, family),
        { name: 'lm_head_bias', shape: [V] },
      ],
      aliases: { 'lm_head.weight': WORDS },
      addedTokens: ADDED_TOKENS,
      graphs,
      probe: megatronT5Probe(config, probe),
    };
  },
};

// --- internal ---

function readConfig(tensors: Tensors, config: ConfigJson): MegatronT5Config {
  const [vocabularyRows, hiddenSize] = tensors.shapeOf(WORDS, 'V', 'D') as [number, number];
  const inner = tensors.shapeOf('encoder.block.0.T5LayerSelfAttention.SelfAttention.q.weight', 'N·d', 'D')[0]!;
  const numHeads = numberField(config, 'num_heads');
  const headSize = headSizeOf(inner, numHeads);
  return {
    vocabularyRows,
    hiddenSize,
    numHeads,
    headSize,
    intermediateSize: tensors.shapeOf('encoder.block.0.T5LayerFF.DenseReluDense.wi.weight', 'F', 'D')[0]!,
    numEncoderLayers: tensors.countLayers(/^encoder\.block\.(\d+)\./),
    numDecoderLayers: tensors.countLayers(/^decoder\.block\.(\d+)\./),
    layerNormEps: numberField(config, 'layer_norm_epsilon', 1e-5),
    scale: 1 / Math.sqrt(headSize),
    maxPositions: tensors.shapeOf(POSITIONS, 'P', 'D')[0]!,
    activation: choiceField(config, 'feed_forward_proj', ['gelu', 'relu'], 'gelu'),
  };
}

function familyOf(config: MegatronT5Config): Seq2SeqFamily {
  const { vocabularyRows, hiddenSize: H, intermediateSize: I, maxPositions, layerNormEps: eps } = config;
  const words = { tensor: WORDS, rows: vocabularyRows, size: H };
  return {
    biased: true,
    selfAttention: (side, i) => names(`${side}.block.${i}.T5LayerSelfAttention`, 'SelfAttention'),
    crossAttention: (i) => names(`decoder.block.${i}.T5LayerCrossAttention`, 'EncDecAttention'),
    feedForward: (side, i) => ({
      norm: `${side}.block.${i}.T5LayerFF.layer_norm`,
      prefix: `${side}.block.${i}.T5LayerFF.DenseReluDense`,
    }),
    finalNorm: (side) => `${side}.final_layer_norm`,
    normTensors: (prefix) => normTensors(prefix, H),
    feedForwardTensors: (prefix) => [
      { name: `${prefix}.wi.weight`, shape: [I, H] },
      { name: `${prefix}.wi.bias`, shape: [I] },
      { name: `${prefix}.wo.weight`, shape: [H, I] },
      { name: `${prefix}.wo.bias`, shape: [H] },
    ],
    norm: (graph, at, x, prefix) => layerNorm(graph, at, x, prefix, eps),
    residual: (graph, at, update, bias, stream, norm) => addAndNorm(graph, at, update, bias!, stream, norm, eps),
    embed(graph, side, ids, start) {
      const at = `/${side}/embeddings`;
      const places = positionRange(graph, at, ids, start); // (T)
      const table = graph.tensor(POSITIONS, [maxPositions, H]);
      const position = graph.op(`${at}/position/Gather`, 'Gather', [table, places], [ids.shape[1]!, H]);
      return add(graph, at, embedding(graph, `${at}/word`, words, ids), position);
    },
    feed(graph, at, x, prefix) {
      const wide = linear(graph, `${at}/wi`, x, { tensors: [`${prefix}.wi.weight`], inFeatures: H, outFeatures: I });
      const bias = graph.tensor(`${prefix}.wi.bias`, [I]);
      const active =
        config.activation === 'gelu'
          ? biasedActivation(graph, at, wide, bias, 'gelu')
          : graph.op(`${at}/Relu`, 'Relu', [add(graph, `${at}/wi`, wide, bias)], wide.shape);
      return linear(graph, `${at}/wo`, active, { tensors: [`${prefix}.wo.weight`], inFeatures: I, outFeatures: H });
    },
    head: (graph, x) => tiedLogits(graph, '/lm_head', x, words, graph.tensor('lm_head_bias', [vocabularyRows])),
  };
}

const names = (layer: string, attention: string) => ({
  norm: `${layer}.layer_norm`,
  attention: `${layer}.${attention}`,
});
