/** GPT-2 in plain float64, one layer deep, for the probe: written from the paper's code and not from the graph builder. */
import type { GraphPlan, ProbePlan } from '../architecture.ts';
import type { Gpt2Config } from '../gpt2.ts';
import {
  attention,
  conv1d,
  LOGIT_COLUMNS,
  layerNorm,
  linear,
  REFERENCE_ACTIVATIONS,
  type ReadTensor,
  sum,
  visibility,
} from './arithmetic.ts';

/** The probe of a GPT-2: `graph` is the model with one layer, run without a past. */
export function gpt2Probe(config: Gpt2Config, graph: GraphPlan): ProbePlan {
  return {
    graph,
    async expect(ids, read) {
      return {
        inputs: { input_ids: ids, attention_mask: ids.map(() => 1), position_ids: ids.map((_, t) => t) },
        outputs: await referenceGpt2(config, ids, read),
      };
    },
  };
}

// --- internal ---

/** last_hidden_state (T·H numbers) and the leading columns of the first position's logits. */
async function referenceGpt2(
  config: Gpt2Config,
  ids: readonly number[],
  read: ReadTensor,
): Promise<Record<string, number[]>> {
  const { hiddenSize: H, layerNormEps: eps, numAttentionHeads } = config;
  const norm = async (x: Float64Array, prefix: string): Promise<Float64Array> =>
    layerNorm(x, await read(`${prefix}.weight`), await read(`${prefix}.bias`), eps);
  const conv = async (x: Float64Array, prefix: string): Promise<Float64Array> =>
    conv1d(x, await read(`${prefix}.weight`), await read(`${prefix}.bias`));

  let x: Float64Array = new Float64Array(ids.length * H);
  for (const [t, id] of ids.entries()) {
    const [word, place] = [await read('wte.weight', id, id + 1), await read('wpe.weight', t, t + 1)];
    for (let i = 0; i < H; i++) x[t * H + i] = word[i]! + place[i]!;
  }
  const qkv = await conv(await norm(x, 'h.0.ln_1'), 'h.0.attn.c_attn'); // (T, 3H)
  const part = (k: number): Float64Array =>
    Float64Array.from({ length: ids.length * H }, (_, i) => qkv[Math.floor(i / H) * 3 * H + k * H + (i % H)]!);
  const context = attention([part(0), part(1), part(2)], {
    numHeads: numAttentionHeads,
    headSize: config.headSize,
    scale: config.scales[0]!,
    bias: visibility((i, j) => j <= i),
  });
  x = sum(x, await conv(context, 'h.0.attn.c_proj'));
  const wide = (await conv(await norm(x, 'h.0.ln_2'), 'h.0.mlp.c_fc')).map(REFERENCE_ACTIVATIONS[config.activation]);
  x = sum(x, await conv(wide, 'h.0.mlp.c_proj'));
  const h = await norm(x, 'ln_f');

  const columns = Math.min(LOGIT_COLUMNS, config.vocabularyRows);
  const table = await read(config.tied ? 'wte.weight' : 'lm_head.weight', 0, columns);
  return { last_hidden_state: [...h], logits: [...linear(h.slice(0, H), table, H)] };
}
