/**
 * The graphs that T5 and Megatron-T5 share. Where the two differ (norms, biases, positions, scale, names, head), the family
 * decides. Inputs and outputs carry optimum's names (encoder_model, decoder_model_merged), with no branches inside.
 */
import { Graph, type GraphOptions, type Value } from '../onnx/graph.ts';
import { scalarOf, sizeOf } from '../onnx/ops.ts';
import type { GraphPlan, TensorSpec } from './architecture.ts';
import { decode } from './seq2seq-decoder.ts';
import { encode } from './seq2seq-encoder.ts';
import type { AttentionNames, Seq2SeqConfig, Seq2SeqFamily, Side } from './seq2seq-family.ts';

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
