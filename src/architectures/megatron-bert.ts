/**
 * MegatronBERT: Erlangshen-1.3B and 3.9B and their derivatives. A BERT with the norms moved: pre-LN layers, a final
 * LayerNorm, none after the embeddings; learned absolute positions.
 * Source: transformers/models/megatron_bert/modeling_megatron_bert.py (v4.57); Shoeybi et al., arXiv:1909.08053.
 */
import { Graph, type GraphOptions, type Value } from '../onnx/graph.ts';
import {
  type Activation,
  add,
  addAndNorm,
  biasedActivation,
  embedding,
  layerNorm,
  linear,
  multiHeadAttention,
  paddingBias,
  sizeOf,
} from '../onnx/ops.ts';
import type { Architecture, ConfigJson, ModelPlan, TensorSpec } from './architecture.ts';
import { activationField, headCount, numberField } from './config-json.ts';
import {
  buildHeads,
  ENCODER_ALIASES,
  type EncoderHeads,
  findHeads,
  headOutputs,
  headTask,
  headTensors,
  WORD_EMBEDDINGS,
} from './encoder-heads.ts';
import type { Tensors } from './tensors.ts';

interface MegatronBertConfig {
  readonly vocabularyRows: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly intermediateSize: number;
  readonly maxPositions: number;
  readonly typeVocabularySize: number;
  readonly layerNormEps: number;
  readonly activation: Activation;
  readonly heads: EncoderHeads;
}

export const megatronBert: Architecture = {
  name: 'megatron-bert',
  buffers: [/^embeddings\.position_ids$/],

  matches: (tensors) =>
    tensors.has('embeddings.position_embeddings.weight') && tensors.some(/^encoder\.layer\.\d+\.attention\.ln\./),

  plan(tensors, configJson): ModelPlan {
    const config = readConfig(tensors, configJson);
    const { heads, ...dimensions } = config;
    const outputs = headOutputs(heads);
    return {
      architecture: 'megatron-bert',
      task: headTask(heads),
      dimensions: { ...dimensions, headSize: config.hiddenSize / config.numAttentionHeads },
      labels: heads.classifier?.labels ?? null,
      tensors: requiredTensors(config),
      aliases: ENCODER_ALIASES,
      graphs: [{ name: 'model', outputs, build: (options) => buildGraph(config, options) }],
    };
  },
};

// --- internal ---

function readConfig(tensors: Tensors, config: ConfigJson): MegatronBertConfig {
  const [vocabularyRows, hiddenSize] = tensors.shapeOf(WORD_EMBEDDINGS, 'V', 'H') as [number, number];
  const [intermediateSize] = tensors.shapeOf('encoder.layer.0.intermediate.dense.weight', 'I', 'H') as [number];
  return {
    vocabularyRows,
    hiddenSize,
    numHiddenLayers: tensors.countLayers(/^encoder\.layer\.(\d+)\./),
    numAttentionHeads: headCount(config, 'num_attention_heads', hiddenSize),
    intermediateSize,
    maxPositions: tensors.shapeOf('embeddings.position_embeddings.weight', 'P', 'H')[0]!,
    typeVocabularySize: tensors.shapeOf('embeddings.token_type_embeddings.weight', 'types', 'H')[0]!,
    layerNormEps: numberField(config, 'layer_norm_eps', 1e-12),
    activation: activationField(config, 'hidden_act', 'gelu'),
    heads: findHeads(tensors, config),
  };
}

function requiredTensors(config: MegatronBertConfig): TensorSpec[] {
  const { vocabularyRows: V, hiddenSize: H, intermediateSize: I } = config;
  const specs: TensorSpec[] = [
    { name: WORD_EMBEDDINGS, shape: [V, H] },
    { name: 'embeddings.position_embeddings.weight', shape: [config.maxPositions, H] },
    { name: 'embeddings.token_type_embeddings.weight', shape: [config.typeVocabularySize, H] },
  ];
  const norm = (prefix: string): void => {
    specs.push({ name: `${prefix}.weight`, shape: [H] }, { name: `${prefix}.bias`, shape: [H] });
  };
  const dense = (prefix: string, outFeatures: number, inFeatures: number): void => {
    specs.push(
      { name: `${prefix}.weight`, shape: [outFeatures, inFeatures] },
      { name: `${prefix}.bias`, shape: [outFeatures] },
    );
  };
  for (let i = 0; i < config.numHiddenLayers; i++) {
    const layer = `encoder.layer.${i}`;
    norm(`${layer}.attention.ln`);
    for (const part of ['query', 'key', 'value']) dense(`${layer}.attention.self.${part}`, H, H);
    dense(`${layer}.attention.output.dense`, H, H);
    norm(`${layer}.ln`);
    dense(`${layer}.intermediate.dense`, I, H);
    dense(`${layer}.output.dense`, H, I);
  }
  norm('encoder.ln');
  return [...specs, ...headTensors(config.heads, config)];
}

function buildGraph(config: MegatronBertConfig, options: GraphOptions): Graph {
  const { hiddenSize: H, intermediateSize: I, layerNormEps: eps } = config;
  const graph = new Graph('megatron-bert', options);
  const ids = graph.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  const mask = graph.input('attention_mask', 'int64', ['batch_size', 'sequence_length']);
  const types = graph.input('token_type_ids', 'int64', ['batch_size', 'sequence_length']);

  let stream = embed(graph, ids, types, config); // (B, T, H)
  const bias = paddingBias(graph, '/attention_mask', mask);
  let normed = layerNorm(graph, '/encoder/layer.0/attention/ln', stream, 'encoder.layer.0.attention.ln', eps);
  for (let i = 0; i < config.numHiddenLayers; i++) {
    const layer = `encoder.layer.${i}`;
    const at = `/encoder/layer.${i}`;
    const project = (part: string): Value =>
      linear(graph, `${at}/attention/self/${part}`, normed, {
        tensors: [`${layer}.attention.self.${part}.weight`],
        inFeatures: H,
        outFeatures: H,
      });
    const context = multiHeadAttention(graph, `${at}/attention`, [project('query'), project('key'), project('value')], {
      numHeads: config.numAttentionHeads,
      bias,
      projectionBias: projectionBias(graph, `${layer}.attention.self`, H),
    });
    const attended = linear(graph, `${at}/attention/output`, context, {
      tensors: [`${layer}.attention.output.dense.weight`],
      inFeatures: H,
      outFeatures: H,
    });
    const attendedBias = graph.tensor(`${layer}.attention.output.dense.bias`, [H]);
    ({ normed, sum: stream } = addAndNorm(graph, `${at}/ln`, attended, attendedBias, stream, `${layer}.ln`, eps));

    const wide = linear(graph, `${at}/intermediate`, normed, {
      tensors: [`${layer}.intermediate.dense.weight`],
      inFeatures: H,
      outFeatures: I,
    });
    const active = biasedActivation(
      graph,
      `${at}/intermediate`,
      wide,
      graph.tensor(`${layer}.intermediate.dense.bias`, [I]),
      config.activation,
    );
    const narrow = linear(graph, `${at}/output`, active, {
      tensors: [`${layer}.output.dense.weight`],
      inFeatures: I,
      outFeatures: H,
    });
    const narrowBias = graph.tensor(`${layer}.output.dense.bias`, [H]);
    // the residual step of this layer ends in the norm that opens the next one, or in the final norm
    const isLast = i === config.numHiddenLayers - 1;
    const next = isLast ? 'encoder.ln' : `encoder.layer.${i + 1}.attention.ln`;
    const nextAt = isLast ? '/encoder/ln' : `/encoder/layer.${i + 1}/attention/ln`;
    ({ normed, sum: stream } = addAndNorm(graph, nextAt, narrow, narrowBias, stream, next, eps));
  }
  buildHeads(graph, normed, config.heads, config);
  return graph;
}

/** word + position + type, without a norm: (B, T) → (B, T, H). */
function embed(graph: Graph, ids: Value, types: Value, config: MegatronBertConfig): Value {
  const { hiddenSize: H, maxPositions: P } = config;
  const words = embedding(graph, '/embeddings/word', graph.tensor(WORD_EMBEDDINGS, [config.vocabularyRows, H]), ids);
  // 0, 1, 2, … unless a caller feeds his own, as the UniMC derivatives need
  const bytes = new Uint8Array(BigInt64Array.from({ length: P }, (_, i) => BigInt(i)).buffer);
  const all = graph.optionalInput('position_ids', 'int64', ['position_batch_size', 'position_length'], {
    shape: [1, P],
    bytes,
  });
  const length = sizeOf(graph, '/embeddings/position/length', ids, 1);
  const used = graph.op(
    '/embeddings/position/Slice',
    'Slice',
    [all, graph.integers([0]), length, graph.integers([1])],
    ['position_batch_size', 'sequence_length'],
  );
  const positions = embedding(
    graph,
    '/embeddings/position',
    graph.tensor('embeddings.position_embeddings.weight', [P, H]),
    used,
  );
  const typed = embedding(
    graph,
    '/embeddings/type',
    graph.tensor('embeddings.token_type_embeddings.weight', [config.typeVocabularySize, H]),
    types,
  );
  return add(graph, '/embeddings/types', add(graph, '/embeddings/positions', words, positions), typed);
}

/** The biases of query | key | value as one vector, 3H. */
function projectionBias(graph: Graph, prefix: string, hiddenSize: number): Value {
  const tensors = ['query', 'key', 'value'].map((part) => `${prefix}.${part}.bias`);
  return graph.weight(`${prefix}.qkv.bias`, [3 * hiddenSize], { kind: 'checkpoint', tensors, transpose: false });
}
