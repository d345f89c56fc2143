/** The encoder that T5 and Megatron-T5 share. */
import type { Graph, Value } from '../onnx/graph.ts';
import { multiHeadAttention, paddingBias, sizeOf } from '../onnx/ops.ts';
import {
  feedForwardStep,
  outBias,
  project,
  projectOut,
  type Seq2SeqConfig,
  type Seq2SeqFamily,
} from './seq2seq-family.ts';

/** The encoder: (B, T) → (B, T, H). */
export function encode(graph: Graph, config: Seq2SeqConfig, family: Seq2SeqFamily, ids: Value, mask: Value): Value {
  const zero = graph.integers([0]);
  const length = sizeOf(graph, '/encoder/length', ids, 1);
  let stream = family.embed(graph, 'encoder', ids, zero);
  let bias = paddingBias(graph, '/encoder/attention_mask', mask); // (B, 1, T, T)
  const places = family.positionBias?.(graph, 'encoder', zero, length, length); // (1, N, T, T)
  if (places)
    bias = graph.op(
      '/encoder/bias/Add',
      'Add',
      [bias, places],
      [bias.shape[0]!, config.numHeads, ...bias.shape.slice(2)],
    );
  let normed = family.norm(graph, '/encoder/block.0', stream, family.selfAttention('encoder', 0).norm);
  for (let i = 0; i < config.numEncoderLayers; i++) {
    const at = `/encoder/block.${i}`;
    const { attention } = family.selfAttention('encoder', i);
    const qkv = ['q', 'k', 'v'].map((part) =>
      project(graph, `${at}/attention/${part}`, normed, `${attention}.${part}`, config, family),
    );
    const context = multiHeadAttention(graph, `${at}/attention`, qkv as [Value, Value, Value], {
      numHeads: config.numHeads,
      bias,
      scale: config.scale,
    });
    const attended = projectOut(graph, `${at}/attention/o`, context, attention, config);
    const next = family.feedForward('encoder', i);
    ({ normed, sum: stream } = family.residual(
      graph,
      `${at}/ff/norm`,
      attended,
      outBias(graph, `${attention}.o`, config, family),
      stream,
      next.norm,
    ));
    const place = { side: 'encoder', block: i, isLast: i === config.numEncoderLayers - 1 } as const;
    ({ normed, sum: stream } = feedForwardStep(graph, place, { normed, stream }, config, family));
  }
  return normed;
}
