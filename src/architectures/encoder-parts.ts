/**
 * What the three BERT-like encoders share: dimensions, tensor names of a layer, embeddings, self-attention and
 * feed-forward without their norms. Where the norms stand is what tells the architectures apart.
 */
import type { Graph, NormReaders, Value } from '../onnx/graph.ts';
import { type Activation, add, biasedActivation, multiHeadAttention, sizeOf } from '../onnx/ops.ts';
import { embedding, linear, type Table } from '../onnx/products.ts';
import type { ConfigJson, TensorSpec } from './architecture.ts';
import { activationField, headCount, numberField } from './config-json.ts';
import { type EncoderHeads, findHeads, WORD_EMBEDDINGS } from './encoder-heads.ts';
import type { Tensors } from './tensors.ts';

export interface EncoderConfig {
  readonly vocabularyRows: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly intermediateSize: number;
  readonly typeVocabularySize: number;
  readonly layerNormEps: number;
  readonly activation: Activation;
  readonly heads: EncoderHeads;
  /** Zhouwenwang: true when the rotation's angles are in the checkpoint. */
  readonly storedAngles?: boolean;
}

const POSITION_EMBEDDINGS = 'embeddings.position_embeddings.weight';
const TYPE_EMBEDDINGS = 'embeddings.token_type_embeddings.weight';
/** The encoders' optional input of which query sees which key. */
const PAIR_MASK = 'query_key_mask';

/** Reads what all of them have. Defaults are those of the reference implementation's config classes. */
export function readEncoderConfig(tensors: Tensors, config: ConfigJson): EncoderConfig {
  const [vocabularyRows, hiddenSize] = tensors.shapeOf(WORD_EMBEDDINGS, 'V', 'H') as [number, number];
  return {
    vocabularyRows,
    hiddenSize,
    numHiddenLayers: tensors.countLayers(/^encoder\.layer\.(\d+)\./),
    numAttentionHeads: headCount(config, 'num_attention_heads', hiddenSize),
    intermediateSize: tensors.shapeOf('encoder.layer.0.intermediate.dense.weight', 'I', 'H')[0]!,
    typeVocabularySize: tensors.shapeOf(TYPE_EMBEDDINGS, 'types', 'H')[0]!,
    layerNormEps: numberField(config, 'layer_norm_eps', 1e-12),
    activation: activationField(config, 'hidden_act', 'gelu'),
    heads: findHeads(tensors, config),
  };
}

/** Rows of the table of learned positions: the longest text the model takes. */
export function maxPositionsOf(tensors: Tensors): number {
  return tensors.shapeOf(POSITION_EMBEDDINGS, 'P', 'H')[0]!;
}

/** Embedding tables. `maxPositions` is absent where positions are rotations. */
export function embeddingTensors(config: EncoderConfig, maxPositions?: number): TensorSpec[] {
  const { vocabularyRows, typeVocabularySize, hiddenSize: H } = config;
  return [
    { name: WORD_EMBEDDINGS, shape: [vocabularyRows, H] },
    ...(maxPositions === undefined ? [] : [{ name: POSITION_EMBEDDINGS, shape: [maxPositions, H] }]),
    { name: TYPE_EMBEDDINGS, shape: [typeVocabularySize, H] },
  ];
}

/** Weight and bias of a LayerNorm. */
export function normTensors(prefix: string, size: number): TensorSpec[] {
  return [
    { name: `${prefix}.weight`, shape: [size] },
    { name: `${prefix}.bias`, shape: [size] },
  ];
}

/** The linear maps of layer i. */
export function layerTensors(i: number, { hiddenSize: H, intermediateSize: I }: EncoderConfig): TensorSpec[] {
  const dense = (part: string, outFeatures: number, inFeatures: number): TensorSpec[] => [
    { name: `encoder.layer.${i}.${part}.weight`, shape: [outFeatures, inFeatures] },
    { name: `encoder.layer.${i}.${part}.bias`, shape: [outFeatures] },
  ];
  return [
    ...['query', 'key', 'value'].flatMap((part) => dense(`attention.self.${part}`, H, H)),
    ...dense('attention.output.dense', H, H),
    ...dense('intermediate.dense', I, H),
    ...dense('output.dense', H, I),
  ];
}

/** What reads each norm of a pre-LN layer; the last norm's readers are heads and callers. */
export function preNormReaders(numHiddenLayers: number): NormReaders[] {
  return Array.from({ length: numHiddenLayers }, (_, i) => `encoder.layer.${i}`).flatMap((layer) => [
    {
      norm: `${layer}.attention.ln`,
      readers: ['query', 'key', 'value'].map((part) => `${layer}.attention.self.${part}.weight`),
    },
    { norm: `${layer}.ln`, readers: [`${layer}.intermediate.dense.weight`] },
  ]);
}

/** word + type (+ learned position), without a norm: (B, T) → (B, T, H). */
export function embed(graph: Graph, ids: Value, types: Value, config: EncoderConfig, maxPositions?: number): Value {
  const H = config.hiddenSize;
  const table = (tensor: string, rows: number): Table => ({ tensor, rows, size: H });
  let x = embedding(graph, '/embeddings/word', table(WORD_EMBEDDINGS, config.vocabularyRows), ids);
  if (maxPositions !== undefined) {
    const places = positionIds(graph, ids, maxPositions);
    x = add(
      graph,
      '/embeddings/positions',
      x,
      embedding(graph, '/embeddings/position', table(POSITION_EMBEDDINGS, maxPositions), places),
    );
  }
  const typed = embedding(graph, '/embeddings/type', table(TYPE_EMBEDDINGS, config.typeVocabularySize), types);
  return add(graph, '/embeddings/types', x, typed);
}

/** A turn of q or k before the scores, (B, T, H) → (B, T, H). */
export type Rotation = (address: string, x: Value) => Value;

export interface SelfAttentionOptions {
  /** Added to the scores, (B|1, N|1, T, T). */
  readonly bias: Value;
  readonly rotate?: Rotation;
}

/** Attention of layer i over x (B, T, H), up to the output projection's bias, which the residual step adds. */
export function selfAttention(
  graph: Graph,
  i: number,
  x: Value,
  config: EncoderConfig,
  options: SelfAttentionOptions,
): Value {
  const { hiddenSize: H, numAttentionHeads: numHeads } = config;
  const { bias, rotate } = options;
  const at = `/encoder/layer.${i}/attention`;
  const prefix = `encoder.layer.${i}.attention`;
  const product = (part: string): Value =>
    linear(graph, `${at}/self/${part}`, x, {
      tensors: [`${prefix}.self.${part}.weight`],
      inFeatures: H,
      outFeatures: H,
    });
  const biasNames = ['query', 'key', 'value'].map((part) => `${prefix}.self.${part}.bias`);
  let context: Value;
  if (rotate) {
    const biased = (part: string): Value =>
      add(graph, `${at}/self/${part}`, product(part), graph.tensor(`${prefix}.self.${part}.bias`, [H]));
    const [q, k] = [rotate(`${at}/self/query`, biased('query')), rotate(`${at}/self/key`, biased('key'))];
    context = multiHeadAttention(graph, at, [q, k, biased('value')], { numHeads, bias });
  } else {
    const projectionBias = graph.weight(`${prefix}.self.qkv.bias`, [3 * H], {
      kind: 'checkpoint',
      tensors: biasNames,
      transpose: false,
    });
    context = multiHeadAttention(graph, at, [product('query'), product('key'), product('value')], {
      numHeads,
      bias,
      projectionBias,
    });
  }
  return linear(graph, `${at}/output`, context, {
    tensors: [`${prefix}.output.dense.weight`],
    inFeatures: H,
    outFeatures: H,
  });
}

/** Feed-forward of layer i, up to the second bias, which the residual step adds: (B, T, H) → (B, T, I) → (B, T, H). */
export function feedForward(graph: Graph, i: number, x: Value, config: EncoderConfig): Value {
  const { hiddenSize: H, intermediateSize: I } = config;
  const at = `/encoder/layer.${i}`;
  const prefix = `encoder.layer.${i}`;
  const wide = linear(graph, `${at}/intermediate`, x, {
    tensors: [`${prefix}.intermediate.dense.weight`],
    inFeatures: H,
    outFeatures: I,
  });
  const active = biasedActivation(
    graph,
    `${at}/intermediate`,
    wide,
    graph.tensor(`${prefix}.intermediate.dense.bias`, [I]),
    config.activation,
  );
  return linear(graph, `${at}/output`, active, {
    tensors: [`${prefix}.output.dense.weight`],
    inFeatures: I,
    outFeatures: H,
  });
}

/**
 * Which query may see which key, 1 or 0, beyond the attention mask: everything unless a caller feeds it, as UniMC needs.
 * (B|1, T|1, T|1). An input with a default, so that clients which know nothing of it need not feed it.
 */
export function pairMask(graph: Graph): Value {
  return graph.optionalInput(PAIR_MASK, 'int64', ['pair_batch_size', 'query_length', 'key_length'], {
    shape: [1, 1, 1],
    bytes: new Uint8Array(BigInt64Array.of(1n).buffer),
  });
}

// --- internal ---

/** 0, 1, 2, … unless a caller feeds his own, as the UniMC derivatives need: (1|B, T). */
function positionIds(graph: Graph, ids: Value, maxPositions: number): Value {
  const bytes = new Uint8Array(BigInt64Array.from({ length: maxPositions }, (_, i) => BigInt(i)).buffer);
  const all = graph.optionalInput('position_ids', 'int64', ['position_batch_size', 'position_length'], {
    shape: [1, maxPositions],
    bytes,
  });
  const length = sizeOf(graph, '/embeddings/position/length', ids, 1);
  return graph.op(
    '/embeddings/position/Slice',
    'Slice',
    [all, graph.integers([0]), length, graph.integers([1])],
    ['position_batch_size', 'sequence_length'],
  );
}
