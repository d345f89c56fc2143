/**
 * Zhouwenwang (fengshen's RoFormer): MegatronBERT's norms, no position table, rotary attention, and a mask made of the
 * token types, by which the same weights read in both directions (all types 0) or left to right (all 1).
 * Source: fengshen/models/roformer/modeling_roformer.py; Su et al., arXiv:2104.09864; Dong et al. (UniLM), arXiv:1905.03197.
 *
 * The mask has masked_fill meaning, as in the version of January 2022; later versions add a boolean instead, by mistake.
 */
import { Graph, type GraphOptions, type Value } from '../onnx/graph.ts';
import { add, addAndNorm, interleavedRotation, LOWEST_FLOAT32, layerNorm, sizeOf } from '../onnx/ops.ts';
import { linear } from '../onnx/products.ts';
import type { Architecture, ModelPlan, OutputName } from './architecture.ts';
import { numberField } from './config-json.ts';
import { causalAttention, decoderInputs, decoderLogits, padHeads, unpadHeads } from './decoder-parts.ts';
import { buildHeads, ENCODER_ALIASES, headOutputs, headTask, headTensors, WORD_EMBEDDINGS } from './encoder-heads.ts';
import {
  type EncoderConfig,
  embed,
  embeddingTensors,
  feedForward,
  layerTensors,
  normTensors,
  preNormReaders,
  readEncoderConfig,
  selfAttention,
} from './encoder-parts.ts';
import { logitPositions } from './logit-positions.ts';
import { encoderProbe } from './reference/encoder.ts';
import type { Tensors } from './tensors.ts';

/** A persistent buffer upstream: where it is stored, its numbers (rounded to float16) are the rotation. */
const DIV_TERM = (i: number): string => `encoder.layer.${i}.attention.self.rope_emb.div_term`;

const DECODER_OUTPUTS = [
  { name: 'lm_logits', graphName: 'logits' },
  { name: 'last_hidden_state', graphName: 'last_hidden_state' },
];

/** The token type of text that is generated: strictly left to right. */
const GENERATED_TYPE = 1;

interface ZhouwenwangConfig extends EncoderConfig {
  readonly headSize: number;
  /** True when the rotation's angles are in the checkpoint. */
  readonly storedAngles: boolean;
}

export const zhouwenwang: Architecture = {
  name: 'zhouwenwang',
  buffers: [/^embeddings\.position_ids$/],

  matches: (tensors) =>
    tensors.some(/\.rope_emb\.div_term$/) ||
    (tensors.some(/^encoder\.layer\.\d+\.attention\.ln\./) && !tensors.has('embeddings.position_embeddings.weight')),

  plan(tensors, configJson): ModelPlan {
    const config = readConfig(tensors, configJson);
    const { heads, hiddenSize: H, storedAngles, ...dimensions } = config;
    return {
      architecture: 'zhouwenwang',
      workload: 'encoder',
      task: heads.classifier ? headTask(heads) : 'fill-mask',
      dimensions: {
        hiddenSize: H,
        ...dimensions,
        trainedPositions: numberField(configJson, 'max_position_embeddings', 512),
        // a pair's second text must not have type 1, which would make it causal
        typesAreMask: true,
        startToken: '[CLS]',
        endToken: '[SEP]',
      },
      labels: heads.classifier?.labels ?? null,
      tensors: [
        ...embeddingTensors(config),
        ...Array.from({ length: config.numHiddenLayers }, (_, i) => [
          ...normTensors(`encoder.layer.${i}.attention.ln`, H),
          ...normTensors(`encoder.layer.${i}.ln`, H),
          ...layerTensors(i, config),
          ...(storedAngles ? [{ name: DIV_TERM(i), shape: [config.headSize / 2] }] : []),
        ]).flat(),
        ...normTensors('encoder.ln', H),
        ...headTensors(heads, config),
      ],
      aliases: ENCODER_ALIASES,
      smoothable: preNormReaders(config.numHiddenLayers),
      graphs: [
        { name: 'model', outputs: outputNames(config), build: (options) => buildGraph(config, options) },
        // the same weights left to right, with a cache: the rotation of a key depends on its own position only
        { name: 'decoder_model', outputs: DECODER_OUTPUTS, build: (options) => buildDecoder(config, options) },
      ],
      probe: encoderProbe('zhouwenwang', config, {
        name: 'probe',
        outputs: outputNames(config),
        build: (options) => buildGraph({ ...config, numHiddenLayers: 1 }, options),
      }),
    };
  },
};

// --- internal ---

function readConfig(tensors: Tensors, configJson: Readonly<Record<string, unknown>>): ZhouwenwangConfig {
  const config = readEncoderConfig(tensors, configJson);
  return { ...config, headSize: config.hiddenSize / config.numAttentionHeads, storedAngles: tensors.has(DIV_TERM(0)) };
}

/** lm_logits need no tensors of their own: every checkpoint has them. */
function outputNames({ heads }: ZhouwenwangConfig): OutputName[] {
  const outputs = headOutputs(heads);
  const graphName = outputs.some((output) => output.graphName === 'logits') ? 'lm_logits' : 'logits';
  return [...outputs, { name: 'lm_logits', graphName }];
}

function buildGraph(config: ZhouwenwangConfig, options: GraphOptions): Graph {
  const { hiddenSize: H, layerNormEps: eps, numHiddenLayers } = config;
  const graph = new Graph('zhouwenwang', options);
  const ids = graph.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  const mask = graph.input('attention_mask', 'int64', ['batch_size', 'sequence_length']);
  const types = graph.input('token_type_ids', 'int64', ['batch_size', 'sequence_length']);

  let stream = embed(graph, ids, types, config); // (B, T, H)
  const bias = unifiedBias(graph, mask, types); // (B, 1, T, T)
  const positions = positionRange(graph, ids); // (T, 1)
  let normed = layerNorm(graph, '/encoder/layer.0/attention/ln', stream, 'encoder.layer.0.attention.ln', eps);
  for (let i = 0; i < numHiddenLayers; i++) {
    const layer = `encoder.layer.${i}`;
    const at = `/encoder/layer.${i}`;
    const rotate = interleavedRotation(
      graph,
      positions,
      angles(graph, i, config),
      config.numAttentionHeads,
      config.headSize,
    );
    const attended = selfAttention(graph, i, normed, config, { bias, rotate });
    const attendedBias = graph.tensor(`${layer}.attention.output.dense.bias`, [H]);
    ({ normed, sum: stream } = addAndNorm(graph, `${at}/ln`, attended, attendedBias, stream, `${layer}.ln`, eps));
    const fed = feedForward(graph, i, normed, config);
    const fedBias = graph.tensor(`${layer}.output.dense.bias`, [H]);
    const [next, nextAt] =
      i === numHiddenLayers - 1
        ? ['encoder.ln', '/encoder/ln']
        : [`encoder.layer.${i + 1}.attention.ln`, `/encoder/layer.${i + 1}/attention/ln`];
    ({ normed, sum: stream } = addAndNorm(graph, nextAt, fed, fedBias, stream, next, eps));
  }
  const table = { tensor: WORD_EMBEDDINGS, rows: config.vocabularyRows, size: H };
  const logitsOf = logitPositions(graph);
  graph.output(outputNames(config).at(-1)!.graphName, logitsOf('/lm', normed, table, undefined));
  buildHeads(graph, normed, config.heads, config, logitsOf);
  return graph;
}

/** All token types 1: (B, T) → logits of the last positions, with the keys and values of the tokens before. */
function buildDecoder(config: ZhouwenwangConfig, options: GraphOptions): Graph {
  const { hiddenSize: H, layerNormEps: eps, numHiddenLayers, headSize } = config;
  const graph = new Graph('zhouwenwang-decoder', options);
  const cache = { numLayers: numHiddenLayers, numHeads: config.numAttentionHeads, headSize };
  const inputs = decoderInputs(graph, cache);
  const zeros = graph.op('/generated_types/Sub', 'Sub', [inputs.ids, inputs.ids], inputs.ids.shape);
  const types = graph.op(
    '/generated_types/Add',
    'Add',
    [zeros, graph.integers([GENERATED_TYPE], [])],
    inputs.ids.shape,
  );

  let stream = embed(graph, inputs.ids, types, config); // (B, T, H)
  const column = graph.op(
    '/positions/Unsqueeze',
    'Unsqueeze',
    [inputs.positions, graph.integers([2])],
    [...inputs.positions.shape, 1],
  );
  const positions = graph.op('/positions/Cast', 'Cast', [column], column.shape, {
    dtype: 'float32',
    attributes: { to: 1 },
  });
  let normed = layerNorm(graph, '/encoder/layer.0/attention/ln', stream, 'encoder.layer.0.attention.ln', eps);
  for (let i = 0; i < numHiddenLayers; i++) {
    const layer = `encoder.layer.${i}`;
    const at = `/encoder/layer.${i}`;
    const rotate = interleavedRotation(graph, positions, angles(graph, i, config), cache.numHeads, headSize);
    const project = (part: string): Value => {
      const prefix = `${layer}.attention.self.${part}`;
      const product = linear(graph, `${at}/attention/self/${part}`, normed, {
        tensors: [`${prefix}.weight`],
        inFeatures: H,
        outFeatures: H,
      });
      return add(graph, `${at}/attention/self/${part}`, product, graph.tensor(`${prefix}.bias`, [H]));
    };
    const turned = (part: string): Value => rotate(`${at}/attention/self/${part}`, project(part));
    const qkv = [turned('query'), turned('key'), project('value')].map((x, k) =>
      padHeads(graph, `${at}/attention/${k}`, x, cache),
    );
    const context = causalAttention(graph, `${at}/attention`, qkv, {
      cache,
      layer: i,
      inputs,
      scale: 1 / Math.sqrt(headSize),
    });
    const attended = linear(
      graph,
      `${at}/attention/output`,
      unpadHeads(graph, `${at}/attention/unpad`, context, cache),
      {
        tensors: [`${layer}.attention.output.dense.weight`],
        inFeatures: H,
        outFeatures: H,
      },
    );
    const attendedBias = graph.tensor(`${layer}.attention.output.dense.bias`, [H]);
    ({ normed, sum: stream } = addAndNorm(graph, `${at}/ln`, attended, attendedBias, stream, `${layer}.ln`, eps));
    const fed = feedForward(graph, i, normed, config);
    const fedBias = graph.tensor(`${layer}.output.dense.bias`, [H]);
    const [next, nextAt] =
      i === numHiddenLayers - 1
        ? ['encoder.ln', '/encoder/ln']
        : [`encoder.layer.${i + 1}.attention.ln`, `/encoder/layer.${i + 1}/attention/ln`];
    ({ normed, sum: stream } = addAndNorm(graph, nextAt, fed, fedBias, stream, next, eps));
  }
  graph.output(
    'logits',
    decoderLogits(graph, normed, { tensor: WORD_EMBEDDINGS, rows: config.vocabularyRows, size: H }, inputs),
  );
  graph.output('last_hidden_state', normed);
  return graph;
}

/** theta_i = 10000^(−2i/d), or what the checkpoint stores in its place: (1, d/2). */
function angles(graph: Graph, i: number, { headSize: d, storedAngles }: ZhouwenwangConfig): Value {
  if (storedAngles) {
    const stored = graph.tensor(DIV_TERM(i), [d / 2]);
    return graph.op(
      `/encoder/layer.${i}/attention/rope/Unsqueeze`,
      'Unsqueeze',
      [stored, graph.integers([0])],
      [1, d / 2],
    );
  }
  const data = Float32Array.from({ length: d / 2 }, (_, k) => 10000 ** ((-2 * k) / d));
  return graph.weight('rope_theta', [1, d / 2], { kind: 'computed', data });
}

/** 0, 1, 2, … T−1 as float32: (T, 1). */
function positionRange(graph: Graph, ids: Value): Value {
  const at = '/positions';
  const length = graph.op(`${at}/Squeeze`, 'Squeeze', [sizeOf(graph, at, ids, 1)], []);
  const range = graph.op(
    `${at}/Range`,
    'Range',
    [graph.integers([0], []), length, graph.integers([1], [])],
    ['sequence_length'],
  );
  const column = graph.op(`${at}/Unsqueeze`, 'Unsqueeze', [range, graph.integers([1])], ['sequence_length', 1]);
  return graph.op(`${at}/Cast`, 'Cast', [column], ['sequence_length', 1], { dtype: 'float32', attributes: { to: 1 } });
}

/**
 * Query i may not see key j when order[j] > order[i], order being the running sum of the token types, or when either
 * is padding: (B, T) → (B, 1, T, T), 0 where it may, the lowest float32 where not.
 */
function unifiedBias(graph: Graph, mask: Value, types: Value): Value {
  const at = '/attention_mask';
  const [B, T] = mask.shape as [string, string];
  const order = graph.op(`${at}/CumSum`, 'CumSum', [types, graph.integers([1], [])], [B, T]);
  const rowsOf = (x: Value, name: string): Value =>
    graph.op(`${at}/${name}/rows/Unsqueeze`, 'Unsqueeze', [x, graph.integers([1, 3])], [B, 1, T, 1]);
  const columnsOf = (x: Value, name: string): Value =>
    graph.op(`${at}/${name}/columns/Unsqueeze`, 'Unsqueeze', [x, graph.integers([1, 2])], [B, 1, 1, T]);
  const later = graph.op(
    `${at}/Greater`,
    'Greater',
    [columnsOf(order, 'order'), rowsOf(order, 'order')],
    [B, 1, T, T],
    { dtype: 'bool' },
  );
  const real = graph.op(`${at}/Mul`, 'Mul', [columnsOf(mask, 'mask'), rowsOf(mask, 'mask')], [B, 1, T, T]);
  const padding = graph.op(`${at}/Equal`, 'Equal', [real, graph.integers([0], [])], [B, 1, T, T], { dtype: 'bool' });
  const blocked = graph.op(`${at}/Or`, 'Or', [later, padding], [B, 1, T, T]);
  return graph.op(`${at}/Where`, 'Where', [blocked, graph.scalar(LOWEST_FLOAT32), graph.scalar(0)], [B, 1, T, T], {
    dtype: 'float32',
  });
}
