/** T5 and mT5 in plain float64, for their probe. */
import type { GraphPlan, ProbePlan } from '../architecture.ts';
import { relativeBuckets } from '../relative-buckets.ts';
import type { FeedForward, T5Config } from '../t5.ts';
import { linear, REFERENCE_ACTIVATIONS, rmsNorm } from './arithmetic.ts';
import { seq2seqProbe } from './seq2seq.ts';

const ACTIVATIONS = {
  relu: REFERENCE_ACTIVATIONS.relu,
  gelu: REFERENCE_ACTIVATIONS.gelu,
  'gated-relu': REFERENCE_ACTIVATIONS.relu,
  'gated-gelu': REFERENCE_ACTIVATIONS.gelu_new,
} as const satisfies Record<FeedForward, (x: number) => number>;

/** The probe of a T5: `graph` is both stacks with one layer. */
export function t5Probe(config: T5Config, graph: GraphPlan): ProbePlan {
  const { hiddenSize: H, intermediateSize: I, layerNormEps: eps, numHeads, numBuckets, maxDistance } = config;
  const activation = ACTIVATIONS[config.feedForward];
  return seq2seqProbe(
    {
      config,
      biased: false,
      selfAttention: (side) => ({
        norm: `${side}.block.0.layer.0.layer_norm`,
        prefix: `${side}.block.0.layer.0.SelfAttention`,
      }),
      crossAttention: { norm: 'decoder.block.0.layer.1.layer_norm', prefix: 'decoder.block.0.layer.1.EncDecAttention' },
      feedForwardNorm: (side) => `${side}.block.0.layer.${side === 'encoder' ? 1 : 2}.layer_norm`,
      norm: async (x, prefix, read) => rmsNorm(x, await read(`${prefix}.weight`), eps),
      async embed(ids, read) {
        const rows = await Promise.all(ids.map((id) => read('shared.weight', id, id + 1)));
        return Float64Array.from(rows.flatMap((row) => [...row]));
      },
      async positionBias(side, read) {
        const table = await read(`${side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`); // (buckets, N)
        const buckets = relativeBuckets({ numBuckets, maxDistance, bidirectional: side === 'encoder' });
        const clip = (distance: number): number => Math.max(-maxDistance, Math.min(maxDistance, distance));
        return (h, i, j) => table[buckets[clip(j - i) + maxDistance]! * numHeads + h]!;
      },
      async feed(x, side, read) {
        const prefix = `${side}.block.0.layer.${side === 'encoder' ? 1 : 2}.DenseReluDense`;
        const dense = async (part: string): Promise<Float64Array> =>
          linear(x, await read(`${prefix}.${part}.weight`), H);
        const wide = config.feedForward.startsWith('gated')
          ? await (async () => {
              const [gate, value] = [await dense('wi_0'), await dense('wi_1')];
              return gate.map((g, i) => activation(g) * value[i]!);
            })()
          : (await dense('wi')).map(activation);
        return linear(wide, await read(`${prefix}.wo.weight`), I);
      },
      async logits(h, columns, read) {
        const x = config.tied ? h.map((value) => value * H ** -0.5) : h;
        return linear(x, await read(config.tied ? 'shared.weight' : 'lm_head.weight', 0, columns), H);
      },
    },
    graph,
  );
}
