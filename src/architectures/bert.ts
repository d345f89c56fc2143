/**
 * BERT as published by Google: norms after each residual sum and after the embeddings (post-LN). The RoBERTa-110M and
 * 330M derivatives of Erlangshen are this.
 * Source: transformers/models/bert/modeling_bert.py (v4.57); Devlin et al., arXiv:1810.04805.
 */
import { Graph, type GraphOptions } from '../onnx/graph.ts';
import { addAndNorm, layerNorm, paddingBias } from '../onnx/ops.ts';
import type { Architecture, ModelPlan } from './architecture.ts';
import { buildHeads, ENCODER_ALIASES, headOutputs, headTask, headTensors } from './encoder-heads.ts';
import {
  type EncoderConfig,
  embed,
  embeddingTensors,
  feedForward,
  layerTensors,
  maxPositionsOf,
  normTensors,
  pairMask,
  readEncoderConfig,
  selfAttention,
} from './encoder-parts.ts';
import { encoderProbe } from './reference/encoder.ts';

export const bert: Architecture = {
  name: 'bert',
  buffers: [/^embeddings\.position_ids$/],

  matches: (tensors) =>
    tensors.has('embeddings.LayerNorm.weight') && tensors.some(/^encoder\.layer\.\d+\.attention\.output\.LayerNorm\./),

  plan(tensors, configJson): ModelPlan {
    const config = readEncoderConfig(tensors, configJson);
    const maxPositions = maxPositionsOf(tensors);
    const { heads, hiddenSize: H, ...dimensions } = config;
    return {
      architecture: 'bert',
      workload: 'encoder',
      task: headTask(heads),
      dimensions: { hiddenSize: H, ...dimensions, maxPositions, headSize: H / config.numAttentionHeads },
      labels: heads.classifier?.labels ?? null,
      tensors: [
        ...embeddingTensors(config, maxPositions),
        ...normTensors('embeddings.LayerNorm', H),
        ...Array.from({ length: config.numHiddenLayers }, (_, i) => [
          ...layerTensors(i, config),
          ...normTensors(`encoder.layer.${i}.attention.output.LayerNorm`, H),
          ...normTensors(`encoder.layer.${i}.output.LayerNorm`, H),
        ]).flat(),
        ...headTensors(heads, config),
      ],
      aliases: ENCODER_ALIASES,
      graphs: [
        { name: 'model', outputs: headOutputs(heads), build: (options) => buildGraph(config, maxPositions, options) },
      ],
      probe: encoderProbe('bert', config, {
        name: 'probe',
        outputs: headOutputs(heads),
        build: (options) => buildGraph({ ...config, numHiddenLayers: 1 }, maxPositions, options),
      }),
    };
  },
};

// --- internal ---

function buildGraph(config: EncoderConfig, maxPositions: number, options: GraphOptions): Graph {
  const { hiddenSize: H, layerNormEps: eps } = config;
  const graph = new Graph('bert', options);
  const ids = graph.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  const mask = graph.input('attention_mask', 'int64', ['batch_size', 'sequence_length']);
  const types = graph.input('token_type_ids', 'int64', ['batch_size', 'sequence_length']);

  const embedded = embed(graph, ids, types, config, maxPositions);
  let x = layerNorm(graph, '/embeddings/LayerNorm', embedded, 'embeddings.LayerNorm', eps); // (B, T, H)
  const bias = paddingBias(graph, '/attention_mask', mask, pairMask(graph)); // (B, 1, T, T)
  for (let i = 0; i < config.numHiddenLayers; i++) {
    const layer = `encoder.layer.${i}`;
    const at = `/encoder/layer.${i}`;
    const attended = selfAttention(graph, i, x, config, { bias });
    const attendedBias = graph.tensor(`${layer}.attention.output.dense.bias`, [H]);
    x = addAndNorm(
      graph,
      `${at}/attention/output`,
      attended,
      attendedBias,
      x,
      `${layer}.attention.output.LayerNorm`,
      eps,
    ).normed;
    const fed = feedForward(graph, i, x, config);
    const fedBias = graph.tensor(`${layer}.output.dense.bias`, [H]);
    x = addAndNorm(graph, `${at}/output`, fed, fedBias, x, `${layer}.output.LayerNorm`, eps).normed;
  }
  buildHeads(graph, x, config.heads, config);
  return graph;
}
