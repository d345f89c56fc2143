/** Megatron-T5 in plain float64, for its probe. */
import type { GraphPlan, ProbePlan } from '../architecture.ts';
import type { MegatronT5Config } from '../megatron-t5.ts';
import { layerNorm, linear, REFERENCE_ACTIVATIONS } from './arithmetic.ts';
import { seq2seqProbe } from './seq2seq.ts';

/** The probe of a Megatron-T5: `graph` is both stacks with one layer. */
export function megatronT5Probe(config: MegatronT5Config, graph: GraphPlan): ProbePlan {
  const { hiddenSize: H, intermediateSize: I, layerNormEps: eps } = config;
  const reference = {
    config,
    biased: true,
    selfAttention: (side: string) => ({
      norm: `${side}.block.0.T5LayerSelfAttention.layer_norm`,
      prefix: `${side}.block.0.T5LayerSelfAttention.SelfAttention`,
    }),
    crossAttention: {
      norm: 'decoder.block.0.T5LayerCrossAttention.layer_norm',
      prefix: 'decoder.block.0.T5LayerCrossAttention.EncDecAttention',
    },
    feedForwardNorm: (side: string) => `${side}.block.0.T5LayerFF.layer_norm`,
    positionBias: async () => () => 0,
  };
  return seq2seqProbe(
    {
      ...reference,
      norm: async (x, prefix, read) => layerNorm(x, await read(`${prefix}.weight`), await read(`${prefix}.bias`), eps),
      async embed(ids, read) {
        const x = new Float64Array(ids.length * H);
        for (const [t, id] of ids.entries()) {
          const word = await read('shared.word_embeddings.weight', id, id + 1);
          const place = await read('shared.position_embeddings.weight', t, t + 1);
          for (let i = 0; i < H; i++) x[t * H + i] = word[i]! + place[i]!;
        }
        return x;
      },
      async feed(x, side, read) {
        const prefix = `${side}.block.0.T5LayerFF.DenseReluDense`;
        const wide = linear(x, await read(`${prefix}.wi.weight`), H, await read(`${prefix}.wi.bias`));
        return linear(
          wide.map(REFERENCE_ACTIVATIONS[config.activation]),
          await read(`${prefix}.wo.weight`),
          I,
          await read(`${prefix}.wo.bias`),
        );
      },
      logits: async (h, columns, read) =>
        linear(h, await read('shared.word_embeddings.weight', 0, columns), H, await read('lm_head_bias', 0, columns)),
    },
    graph,
  );
}
