/**
 * GPT-2: Wenzhong and Yuyuan. Pre-LN decoder with learned positions and the output projection tied to the embedding;
 * its linear layers are Conv1D, stored [in, out].
 * Source: transformers/models/gpt2/modeling_gpt2.py (v4.57); Radford et al., "Language Models are Unsupervised
 * Multitask Learners", 2019.
 */
import { Graph, type GraphOptions, type Value } from '../onnx/graph.ts';
import { type Activation, add, addAndNorm, biasedActivation, layerNorm } from '../onnx/ops.ts';
import { embedding, linear } from '../onnx/products.ts';
import type { Architecture, ConfigJson, ModelPlan, TensorSpec } from './architecture.ts';
import { activationField, headCount, numberField, tokenIdField } from './config-json.ts';
import {
  type CacheShape,
  causalAttention,
  type DecoderInputs,
  decoderInputs,
  decoderLogits,
  headPadding,
  paddedHeadSize,
} from './decoder-parts.ts';
import { gpt2Probe } from './reference/gpt2.ts';
import type { Tensors } from './tensors.ts';

export interface Gpt2Config {
  readonly vocabularyRows: number;
  readonly hiddenSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly headSize: number;
  readonly intermediateSize: number;
  readonly maxPositions: number;
  readonly layerNormEps: number;
  readonly activation: Activation;
  /** False where lm_head.weight is a matrix of its own. */
  readonly tied: boolean;
  /** What scores are multiplied with in layer i. */
  readonly scales: readonly number[];
}

const OUTPUTS = [
  { name: 'logits', graphName: 'logits' },
  { name: 'last_hidden_state', graphName: 'last_hidden_state' },
];

export const gpt2: Architecture = {
  name: 'gpt2',
  buffers: [/^h\.\d+\.attn\.(bias|masked_bias)$/],

  matches: (tensors) => tensors.some(/^h\.\d+\.attn\.c_attn\./),

  plan(tensors, configJson): ModelPlan {
    const config = readConfig(tensors, configJson);
    const { scales: _, ...dimensions } = config;
    const cut = { ...config, numHiddenLayers: 1 };
    return {
      architecture: 'gpt2',
      workload: 'decoder',
      task: 'text-generation',
      dimensions: {
        ...dimensions,
        cacheHeadSize: paddedHeadSize(config.headSize),
        ...endToken(configJson, config.vocabularyRows),
      },
      labels: null,
      tensors: requiredTensors(config),
      aliases: config.tied ? { 'lm_head.weight': 'wte.weight' } : {},
      graphs: [{ name: 'model', outputs: OUTPUTS, build: (options) => buildGraph(config, options) }],
      probe: gpt2Probe(config, { name: 'probe', outputs: OUTPUTS, build: (options) => buildGraph(cut, options) }),
    };
  },
};

// --- internal ---

/** Where config.json names none, the tokenizer's end token is taken. */
function endToken(config: ConfigJson, rows: number): { endTokenId?: number } {
  const id = tokenIdField(config, 'eos_token_id', rows);
  return id === undefined ? {} : { endTokenId: id };
}

function readConfig(tensors: Tensors, config: ConfigJson): Gpt2Config {
  const [vocabularyRows, hiddenSize] = tensors.shapeOf('wte.weight', 'V', 'H') as [number, number];
  const numAttentionHeads = headCount(config, 'n_head', hiddenSize);
  const numHiddenLayers = tensors.countLayers(/^h\.(\d+)\./);
  const headSize = hiddenSize / numAttentionHeads;
  const scale = config.scale_attn_weights === false ? 1 : 1 / Math.sqrt(headSize);
  const byLayer = config.scale_attn_by_inverse_layer_idx === true;
  return {
    vocabularyRows,
    hiddenSize,
    numHiddenLayers,
    numAttentionHeads,
    headSize,
    intermediateSize: tensors.shapeOf('h.0.mlp.c_fc.weight', 'H', 'I')[1]!,
    maxPositions: tensors.shapeOf('wpe.weight', 'P', 'H')[0]!,
    layerNormEps: numberField(config, 'layer_norm_epsilon', 1e-5),
    activation: activationField(config, 'activation_function', 'gelu_new'),
    tied: config.tie_word_embeddings !== false || !tensors.has('lm_head.weight'),
    scales: Array.from({ length: numHiddenLayers }, (_, i) => (byLayer ? scale / (i + 1) : scale)),
  };
}

function requiredTensors(config: Gpt2Config): TensorSpec[] {
  const { vocabularyRows: V, hiddenSize: H, intermediateSize: I } = config;
  const specs: TensorSpec[] = [];
  const need = (name: string, ...shape: number[]): void => void specs.push({ name, shape });
  const conv = (prefix: string, inFeatures: number, outFeatures: number): void => {
    need(`${prefix}.weight`, inFeatures, outFeatures);
    need(`${prefix}.bias`, outFeatures);
  };
  const norm = (prefix: string): void => {
    need(`${prefix}.weight`, H);
    need(`${prefix}.bias`, H);
  };
  need('wte.weight', V, H);
  need('wpe.weight', config.maxPositions, H);
  for (let i = 0; i < config.numHiddenLayers; i++) {
    norm(`h.${i}.ln_1`);
    conv(`h.${i}.attn.c_attn`, H, 3 * H);
    conv(`h.${i}.attn.c_proj`, H, H);
    norm(`h.${i}.ln_2`);
    conv(`h.${i}.mlp.c_fc`, H, I);
    conv(`h.${i}.mlp.c_proj`, I, H);
  }
  norm('ln_f');
  if (!config.tied) need('lm_head.weight', V, H);
  return specs;
}

function buildGraph(config: Gpt2Config, options: GraphOptions): Graph {
  const { hiddenSize: H, intermediateSize: I, numHiddenLayers, layerNormEps: eps } = config;
  const graph = new Graph('gpt2', options);
  const inputs = decoderInputs(graph, cacheShape(config));
  const table = { tensor: 'wte.weight', rows: config.vocabularyRows, size: H };
  const words = embedding(graph, '/wte', table, inputs.ids);
  const places = embedding(
    graph,
    '/wpe',
    { tensor: 'wpe.weight', rows: config.maxPositions, size: H },
    inputs.positions,
  );
  let stream = add(graph, '/embeddings', words, places); // (B, T, H)
  let normed = layerNorm(graph, '/h.0/ln_1', stream, 'h.0.ln_1', eps);
  for (let i = 0; i < numHiddenLayers; i++) {
    const attended = attend(graph, i, normed, config, inputs);
    ({ normed, sum: stream } = addAndNorm(
      graph,
      `/h.${i}/ln_2`,
      attended,
      graph.tensor(`h.${i}.attn.c_proj.bias`, [H]),
      stream,
      `h.${i}.ln_2`,
      eps,
    ));
    const wide = linear(graph, `/h.${i}/mlp/c_fc`, normed, {
      tensors: [`h.${i}.mlp.c_fc.weight`],
      inFeatures: H,
      outFeatures: I,
      layout: 'in-out',
    });
    const active = biasedActivation(
      graph,
      `/h.${i}/mlp`,
      wide,
      graph.tensor(`h.${i}.mlp.c_fc.bias`, [I]),
      config.activation,
    );
    const fed = linear(graph, `/h.${i}/mlp/c_proj`, active, {
      tensors: [`h.${i}.mlp.c_proj.weight`],
      inFeatures: I,
      outFeatures: H,
      layout: 'in-out',
    });
    // the residual step of this layer ends in the norm that opens the next one, or in the final norm
    const next = i === numHiddenLayers - 1 ? 'ln_f' : `h.${i + 1}.ln_1`;
    ({ normed, sum: stream } = addAndNorm(
      graph,
      `/${next.replaceAll('.ln', '/ln')}`,
      fed,
      graph.tensor(`h.${i}.mlp.c_proj.bias`, [H]),
      stream,
      next,
      eps,
    ));
  }
  const head = config.tied ? table : { ...table, tensor: 'lm_head.weight' };
  graph.output('logits', decoderLogits(graph, normed, head, inputs));
  graph.output('last_hidden_state', normed);
  return graph;
}

const cacheShape = (config: Gpt2Config): CacheShape => ({
  numLayers: config.numHiddenLayers,
  numHeads: config.numAttentionHeads,
  headSize: config.headSize,
});

/** Attention of layer i, up to the output projection's bias. c_attn is laid out q | k | v: the packed form. */
function attend(graph: Graph, i: number, x: Value, config: Gpt2Config, inputs: DecoderInputs): Value {
  const { hiddenSize: H, headSize } = config;
  const at = `/h.${i}/attn`;
  const width = config.numAttentionHeads * paddedHeadSize(headSize);
  const heads = headPadding(headSize, 1);
  const product = linear(graph, `${at}/c_attn`, x, {
    tensors: [`h.${i}.attn.c_attn.weight`],
    inFeatures: H,
    outFeatures: 3 * width,
    layout: 'in-out',
    heads,
  });
  const bias = graph.weight(`h.${i}.attn.c_attn.bias`, [3 * width], {
    kind: 'checkpoint',
    tensors: [`h.${i}.attn.c_attn.bias`],
    transpose: false,
    heads: heads && { ...heads, dimension: 0 },
  });
  const context = causalAttention(graph, at, [add(graph, `${at}/c_attn`, product, bias)], {
    cache: cacheShape(config),
    layer: i,
    inputs,
    scale: config.scales[i]!,
  });
  return linear(graph, `${at}/c_proj`, context, {
    tensors: [`h.${i}.attn.c_proj.weight`],
    inFeatures: width,
    outFeatures: H,
    layout: 'in-out',
    heads: headPadding(headSize, 0),
  });
}
