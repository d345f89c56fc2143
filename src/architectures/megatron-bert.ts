/**
 * MegatronBERT: Erlangshen-1.3B and 3.9B and their derivatives. A BERT with the norms moved: pre-LN layers, a final
 * LayerNorm, none after the embeddings; learned absolute positions.
 * Source: transformers/models/megatron_bert/modeling_megatron_bert.py (v4.57); Shoeybi et al., arXiv:1909.08053.
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
  preNormReaders,
  readEncoderConfig,
  selfAttention,
} from './encoder-parts.ts';
import { encoderProbe } from './reference/encoder.ts';

export const megatronBert: Architecture = {
  name: 'megatron-bert',
  buffers: [/^embeddings\.position_ids$/],

  matches: (tensors) =>
    tensors.has('embeddings.position_embeddings.weight') && tensors.some(/^encoder\.layer\.\d+\.attention\.ln\./),

  plan(tensors, configJson): ModelPlan {
    const config = readEncoderConfig(tensors, configJson);
    const maxPositions = maxPositionsOf(tensors);
    const { heads, hiddenSize: H, ...dimensions } = config;
    return {
      architecture: 'megatron-bert',
      workload: 'encoder',
      task: headTask(heads),
      dimensions: { hiddenSize: H, ...dimensions, maxPositions, headSize: H / config.numAttentionHeads },
      labels: heads.classifier?.labels ?? null,
      tensors: [
        ...embeddingTensors(config, maxPositions),
        ...Array.from({ length: config.numHiddenLayers }, (_, i) => [
          ...normTensors(`encoder.layer.${i}.attention.ln`, H),
          ...normTensors(`encoder.layer.${i}.ln`, H),
          ...layerTensors(i, config),
        ]).flat(),
        ...normTensors('encoder.ln', H),
        ...headTensors(heads, config),
      ],
      aliases: ENCODER_ALIASES,
      smoothable: preNormReaders(config.numHiddenLayers),
      graphs: [
        { name: 'model', outputs: headOutputs(heads), build: (options) => buildGraph(config, maxPositions, options) },
      ],
      probe: encoderProbe('megatron-bert', config, {
        name: 'probe',
        outputs: headOutputs(heads),
        build: (options) => buildGraph({ ...config, numHiddenLayers: 1 }, maxPositions, options),
      }),
    };
  },
};

// --- internal ---

function buildGraph(config: EncoderConfig, maxPositions: number, options: GraphOptions): Graph {
  const { hiddenSize: H, layerNormEps: eps, numHiddenLayers } = config;
  const graph = new Graph('megatron-bert', options);
  const ids = graph.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  const mask = graph.input('attention_mask', 'int64', ['batch_size', 'sequence_length']);
  const types = graph.input('token_type_ids', 'int64', ['batch_size', 'sequence_length']);

  let stream = embed(graph, ids, types, config, maxPositions); // (B, T, H)
  const bias = paddingBias(graph, '/attention_mask', mask, pairMask(graph)); // (B, 1, T, T)
  let normed = layerNorm(graph, '/encoder/layer.0/attention/ln', stream, 'encoder.layer.0.attention.ln', eps);
  for (let i = 0; i < numHiddenLayers; i++) {
    const layer = `encoder.layer.${i}`;
    const at = `/encoder/layer.${i}`;
    const attended = selfAttention(graph, i, normed, config, { bias });
    const attendedBias = graph.tensor(`${layer}.attention.output.dense.bias`, [H]);
    ({ normed, sum: stream } = addAndNorm(graph, `${at}/ln`, attended, attendedBias, stream, `${layer}.ln`, eps));

    const fed = feedForward(graph, i, normed, config);
    const fedBias = graph.tensor(`${layer}.output.dense.bias`, [H]);
    // the residual step of this layer ends in the norm that opens the next one, or in the final norm
    const [next, nextAt] =
      i === numHiddenLayers - 1
        ? ['encoder.ln', '/encoder/ln']
        : [`encoder.layer.${i + 1}.attention.ln`, `/encoder/layer.${i + 1}/attention/ln`];
    ({ normed, sum: stream } = addAndNorm(graph, nextAt, fed, fedBias, stream, next, eps));
  }
  buildHeads(graph, normed, config.heads, config);
  return graph;
}
