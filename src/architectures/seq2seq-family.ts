/** What T5 and Megatron-T5 have in common and where they differ: dimensions, names of tensors, the maps around an attention. */
import type { Graph, Value } from '../onnx/graph.ts';
import { add } from '../onnx/ops.ts';
import { linear } from '../onnx/products.ts';
import { IntegrityError } from '../util/errors.ts';
import type { TensorSpec } from './architecture.ts';
import { headPadding } from './decoder-parts.ts';

export type Side = 'encoder' | 'decoder';

export interface Seq2SeqConfig {
  readonly vocabularyRows: number;
  readonly hiddenSize: number;
  readonly numHeads: number;
  readonly headSize: number;
  readonly intermediateSize: number;
  readonly numEncoderLayers: number;
  readonly numDecoderLayers: number;
  readonly layerNormEps: number;
  /** What scores are multiplied with. */
  readonly scale: number;
}

/** Prefixes of the tensors of one attention: q, k, v, o, and the norm before it. */
export interface AttentionNames {
  readonly norm: string;
  readonly attention: string;
}

/** What tells T5 and Megatron-T5 apart. */
export interface Seq2SeqFamily {
  /** True when linear maps have biases. */
  readonly biased: boolean;
  selfAttention(side: Side, layer: number): AttentionNames;
  crossAttention(layer: number): AttentionNames;
  feedForward(side: Side, layer: number): { readonly norm: string; readonly prefix: string };
  finalNorm(side: Side): string;
  normTensors(prefix: string): TensorSpec[];
  feedForwardTensors(prefix: string): TensorSpec[];
  /** The first norm of a stack: (B, T, H) → (B, T, H). */
  norm(graph: Graph, address: string, x: Value, prefix: string): Value;
  /** update (+ bias) + stream, and the norm of the sum. */
  residual(
    graph: Graph,
    address: string,
    update: Value,
    bias: Value | undefined,
    stream: Value,
    normPrefix: string,
  ): { normed: Value; sum: Value };
  /** Token vectors at positions `start`, start + 1, …: (B, T) → (B, T, H). `start` is an int64 [1]. */
  embed(graph: Graph, side: Side, ids: Value, start: Value): Value;
  /** Position bias added to self-attention's scores, (1, N, T, total), where the family has one. */
  positionBias?(graph: Graph, side: Side, queryStart: Value, queries: Value, keys: Value): Value;
  /** The feed-forward up to the last bias: (B, T, H) → (B, T, H). */
  feed(graph: Graph, address: string, x: Value, prefix: string): Value;
  /** Logits of the last hidden state (B, T, H) → (B, T, V). */
  head(graph: Graph, x: Value): Value;
}

/** N·d is in the tensors, N in config.json or in another tensor. */
export function headSizeOf(inner: number, numHeads: number): number {
  if (Number.isInteger(inner / numHeads)) return inner / numHeads;
  throw new IntegrityError(`${numHeads} heads do not divide the ${inner} rows of the query matrix`, {
    code: 'malformed-config',
    facts: { numHeads, inner },
  });
}

/** q, k or v: (B, T, H) → (B, T, N·d); `padded`: with heads as the cache wants them. */
export function project(
  graph: Graph,
  at: string,
  x: Value,
  prefix: string,
  config: Seq2SeqConfig,
  family: Seq2SeqFamily,
  padded = false,
): Value {
  const { hiddenSize, numHeads, headSize } = config;
  const heads = padded ? headPadding(headSize, 1) : undefined;
  const width = numHeads * (heads?.paddedSize ?? headSize);
  const product = linear(graph, at, x, {
    tensors: [`${prefix}.weight`],
    inFeatures: hiddenSize,
    outFeatures: width,
    heads,
  });
  if (!family.biased) return product;
  const bias = graph.weight(`${prefix}.bias${heads ? `|heads of ${heads.paddedSize}` : ''}`, [width], {
    kind: 'checkpoint',
    tensors: [`${prefix}.bias`],
    transpose: false,
    heads: heads && { ...heads, dimension: 0 },
  });
  return add(graph, at, product, bias);
}

/** The output projection without its bias: (B, T, N·d) → (B, T, H). */
export function projectOut(
  graph: Graph,
  at: string,
  x: Value,
  prefix: string,
  config: Seq2SeqConfig,
  padded = false,
): Value {
  const heads = padded ? headPadding(config.headSize, 0) : undefined;
  const width = config.numHeads * (heads?.paddedSize ?? config.headSize);
  return linear(graph, at, x, {
    tensors: [`${prefix}.o.weight`],
    inFeatures: width,
    outFeatures: config.hiddenSize,
    heads,
  });
}

/** The bias of an output projection, where the family has biases. */
export function outBias(graph: Graph, prefix: string, config: Seq2SeqConfig, family: Seq2SeqFamily): Value | undefined {
  return family.biased ? graph.tensor(`${prefix}.bias`, [config.hiddenSize]) : undefined;
}

/** Where a block stands in its stack. */
export interface BlockPlace {
  readonly side: Side;
  readonly block: number;
  readonly isLast: boolean;
}

/** The feed-forward half of a block, and the residual step, whose norm opens the next block or ends the stack. */
export function feedForwardStep(
  graph: Graph,
  { side, block, isLast }: BlockPlace,
  { normed, stream }: { readonly normed: Value; readonly stream: Value },
  config: Seq2SeqConfig,
  family: Seq2SeqFamily,
): { normed: Value; sum: Value } {
  const { prefix } = family.feedForward(side, block);
  const fed = family.feed(graph, `/${side}/block.${block}/ff`, normed, prefix);
  const [norm, at] = isLast
    ? [family.finalNorm(side), `/${side}/final_norm`]
    : [family.selfAttention(side, block + 1).norm, `/${side}/block.${block + 1}/norm`];
  return family.residual(graph, at, fed, outBias(graph, `${prefix}.wo`, config, family), stream, norm);
}
