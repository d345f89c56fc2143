/**
 * An encoder-decoder in plain float64, one layer deep on each side, for the probes of T5 and Megatron-T5. What the two do
 * differently (names, norm, biases, positions) is passed in; nothing is taken from the graph builder.
 */
import type { GraphPlan, ProbePlan } from '../architecture.ts';
import type { Seq2SeqConfig } from '../seq2seq-family.ts';
import {
  type AttentionOptions,
  attention,
  LOGIT_COLUMNS,
  linear,
  type ReadTensor,
  sum,
  visibility,
} from './arithmetic.ts';

export interface Seq2SeqReference {
  readonly config: Seq2SeqConfig;
  readonly selfAttention: (side: 'encoder' | 'decoder') => { norm: string; prefix: string };
  readonly crossAttention: { norm: string; prefix: string };
  readonly feedForwardNorm: (side: 'encoder' | 'decoder') => string;
  readonly biased: boolean;
  norm(x: Float64Array, prefix: string, read: ReadTensor): Promise<Float64Array>;
  embed(ids: readonly number[], read: ReadTensor): Promise<Float64Array>;
  /** Added to self-attention's scores. */
  positionBias(side: 'encoder' | 'decoder', read: ReadTensor): Promise<AttentionOptions['bias']>;
  /** (T, H) → (T, H), the last bias included. */
  feed(x: Float64Array, side: 'encoder' | 'decoder', read: ReadTensor): Promise<Float64Array>;
  /** Leading columns of the logits of one vector. */
  logits(h: Float64Array, columns: number, read: ReadTensor): Promise<Float64Array>;
}

/** The probe: the ids into the encoder, the first of them, one after the other, into the decoder. */
export function seq2seqProbe(reference: Seq2SeqReference, graph: GraphPlan): ProbePlan {
  return {
    graph,
    async expect(ids, read) {
      const decoderIds = ids.slice(0, Math.ceil(ids.length / 2));
      return {
        inputs: { input_ids: ids, attention_mask: ids.map(() => 1), decoder_input_ids: decoderIds },
        outputs: await run(reference, ids, decoderIds, read),
      };
    },
  };
}

// --- internal ---

async function run(
  reference: Seq2SeqReference,
  ids: readonly number[],
  decoderIds: readonly number[],
  read: ReadTensor,
): Promise<Record<string, number[]>> {
  const { config } = reference;
  const memory = await stack(reference, 'encoder', await reference.embed(ids, read), undefined, read);
  const h = await stack(reference, 'decoder', await reference.embed(decoderIds, read), memory, read);
  const columns = Math.min(LOGIT_COLUMNS, config.vocabularyRows);
  const first = h.slice(0, config.hiddenSize);
  return {
    encoder_last_hidden_state: [...memory],
    decoder_last_hidden_state: [...h],
    logits: [...(await reference.logits(first, columns, read))],
  };
}

async function stack(
  reference: Seq2SeqReference,
  side: 'encoder' | 'decoder',
  embedded: Float64Array,
  memory: Float64Array | undefined,
  read: ReadTensor,
): Promise<Float64Array> {
  const { norm: normName, prefix } = reference.selfAttention(side);
  const places = await reference.positionBias(side, read);
  const causal = visibility((i, j) => side === 'encoder' || j <= i);
  let x = embedded;
  const own = await reference.norm(x, normName, read);
  x = sum(x, await attend(reference, prefix, own, own, (h, i, j) => places(h, i, j) + causal(h, i, j), read));
  if (memory) {
    const { norm, prefix: cross } = reference.crossAttention;
    x = sum(x, await attend(reference, cross, await reference.norm(x, norm, read), memory, () => 0, read));
  }
  x = sum(x, await reference.feed(await reference.norm(x, reference.feedForwardNorm(side), read), side, read));
  return reference.norm(x, `${side}.final_layer_norm`, read);
}

async function attend(
  { config, biased }: Seq2SeqReference,
  prefix: string,
  queries: Float64Array,
  keys: Float64Array,
  bias: AttentionOptions['bias'],
  read: ReadTensor,
): Promise<Float64Array> {
  const { hiddenSize, numHeads, headSize, scale } = config;
  const dense = async (x: Float64Array, part: string, inFeatures: number): Promise<Float64Array> =>
    linear(
      x,
      await read(`${prefix}.${part}.weight`),
      inFeatures,
      biased ? await read(`${prefix}.${part}.bias`) : undefined,
    );
  const [q, k, v] = [
    await dense(queries, 'q', hiddenSize),
    await dense(keys, 'k', hiddenSize),
    await dense(keys, 'v', hiddenSize),
  ];
  return dense(attention([q, k, v], { numHeads, headSize, scale, bias }), 'o', numHeads * headSize);
}
