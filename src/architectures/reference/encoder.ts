/**
 * The three BERT-like encoders in plain float64, one layer deep, for the probes: written from the papers and not from
 * the graph builder. One row of ids, nothing padded.
 */
import type { GraphPlan, ProbePlan } from '../architecture.ts';
import type { EncoderConfig } from '../encoder-parts.ts';
import {
  attention,
  LOGIT_COLUMNS,
  layerNorm,
  linear,
  REFERENCE_ACTIVATIONS,
  type ReadTensor,
  sum,
  visibility,
} from './arithmetic.ts';

/** Where the norms stand, and how positions enter. */
export type EncoderKind = 'megatron-bert' | 'bert' | 'zhouwenwang';

export interface EncoderRow {
  readonly ids: readonly number[];
  readonly typeIds: readonly number[];
}

/** The probe of an encoder: `graph` is the model with one layer. The second half of the row has token type 1. */
export function encoderProbe(kind: EncoderKind, config: EncoderConfig, graph: GraphPlan): ProbePlan {
  return {
    graph,
    async expect(ids, read) {
      const typeIds = ids.map((_, t) => (config.typeVocabularySize > 1 && t >= ids.length / 2 ? 1 : 0));
      return {
        inputs: { input_ids: ids, attention_mask: ids.map(() => 1), token_type_ids: typeIds },
        outputs: await referenceEncoder(kind, config, { ids, typeIds }, read),
      };
    },
  };
}

/**
 * last_hidden_state of the model cut to its first layer (T·H numbers), and with an MLM head the leading columns of the
 * first position's mlm_logits, with a pooled classifier its class_logits.
 */
export async function referenceEncoder(
  kind: EncoderKind,
  config: EncoderConfig,
  row: EncoderRow,
  read: ReadTensor,
): Promise<Record<string, number[]>> {
  const { hiddenSize: H, layerNormEps: eps, heads } = config;
  const norm = async (x: Float64Array, prefix: string): Promise<Float64Array> =>
    layerNorm(x, await read(`${prefix}.weight`), await read(`${prefix}.bias`), eps);
  const dense = async (x: Float64Array, prefix: string, inFeatures = H): Promise<Float64Array> =>
    linear(x, await read(`${prefix}.weight`), inFeatures, await read(`${prefix}.bias`));
  const activation = REFERENCE_ACTIVATIONS[config.activation];

  let x = await embeddings(kind, row, H, read); // (T, H)
  if (kind === 'bert') x = await norm(x, 'embeddings.LayerNorm');
  const layer = 'encoder.layer.0';
  const attend = async (a: Float64Array): Promise<Float64Array> => {
    const [q, k, v] = [
      await dense(a, `${layer}.attention.self.query`),
      await dense(a, `${layer}.attention.self.key`),
      await dense(a, `${layer}.attention.self.value`),
    ];
    const headSize = H / config.numAttentionHeads;
    if (kind === 'zhouwenwang')
      for (const side of [q, k]) await rotate(side, H, headSize, config.storedAngles ?? false, read);
    const context = attention([q, k, v], {
      numHeads: config.numAttentionHeads,
      headSize,
      scale: 1 / Math.sqrt(headSize),
      bias: visibility(visible(kind, row)),
    });
    return dense(context, `${layer}.attention.output.dense`);
  };
  const feed = async (a: Float64Array): Promise<Float64Array> =>
    dense(
      (await dense(a, `${layer}.intermediate.dense`)).map(activation),
      `${layer}.output.dense`,
      config.intermediateSize,
    );

  if (kind === 'bert') {
    x = await norm(sum(x, await attend(x)), `${layer}.attention.output.LayerNorm`);
    x = await norm(sum(x, await feed(x)), `${layer}.output.LayerNorm`);
  } else {
    x = sum(x, await attend(await norm(x, `${layer}.attention.ln`)));
    x = sum(x, await feed(await norm(x, `${layer}.ln`)));
    x = await norm(x, 'encoder.ln');
  }

  const outputs: Record<string, number[]> = { last_hidden_state: [...x] };
  const first = x.subarray(0, H);
  if (heads.mlm) {
    const prefix = 'cls.predictions.transform';
    const t = heads.mlm.transform
      ? await norm((await dense(first, `${prefix}.dense`)).map(activation), `${prefix}.LayerNorm`)
      : first;
    const columns = Math.min(LOGIT_COLUMNS, config.vocabularyRows);
    const table = await read('embeddings.word_embeddings.weight', 0, columns);
    outputs.mlm_logits = [...linear(Float64Array.from(t), table, H, await read('cls.predictions.bias', 0, columns))];
  }
  if (heads.pooler && heads.classifier && heads.classifier.kind !== 'token') {
    const pooled = (await dense(first, 'pooler.dense')).map(Math.tanh);
    outputs.class_logits = [...(await dense(pooled, 'classifier'))];
  }
  return outputs;
}

// --- internal ---

async function embeddings(kind: EncoderKind, row: EncoderRow, H: number, read: ReadTensor): Promise<Float64Array> {
  const x = new Float64Array(row.ids.length * H);
  for (const [t, id] of row.ids.entries()) {
    const type = row.typeIds[t]!;
    const parts = [
      await read('embeddings.word_embeddings.weight', id, id + 1),
      await read('embeddings.token_type_embeddings.weight', type, type + 1),
      ...(kind === 'zhouwenwang' ? [] : [await read('embeddings.position_embeddings.weight', t, t + 1)]),
    ];
    for (const part of parts) for (let i = 0; i < H; i++) x[t * H + i]! += part[i]!;
  }
  return x;
}

/** Zhouwenwang's mask from the token types; the others see everything. */
function visible(kind: EncoderKind, row: EncoderRow): (i: number, j: number) => boolean {
  if (kind !== 'zhouwenwang') return () => true;
  let running = 0;
  const order = row.typeIds.map((type) => {
    running += type;
    return running;
  });
  return (i, j) => order[j]! <= order[i]!;
}

/** Turns the pairs (2i, 2i+1) of each head at position t by t · theta_i, in place. */
async function rotate(
  x: Float64Array,
  H: number,
  headSize: number,
  storedAngles: boolean,
  read: ReadTensor,
): Promise<void> {
  const stored = storedAngles ? await read('encoder.layer.0.attention.self.rope_emb.div_term') : undefined;
  for (let at = 0; at < x.length; at += 2) {
    const t = Math.floor(at / H);
    const i = (at % headSize) / 2;
    const angle = t * (stored ? stored[i]! : 10000 ** ((-2 * i) / headSize));
    const [even, odd] = [x[at]!, x[at + 1]!];
    x[at] = even * Math.cos(angle) - odd * Math.sin(angle);
    x[at + 1] = odd * Math.cos(angle) + even * Math.sin(angle);
  }
}
