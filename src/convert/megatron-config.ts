/** config.json for raw Megatron-LM checkpoints, which have the trainer's arguments instead. */
import type { ConfigJson } from '../architectures/architecture.ts';
import { IntegrityError } from '../util/errors.ts';

/**
 * The fields that no tensor tells, under the names of both families. Source: convert_megatron_gpt2_checkpoint.py of
 * transformers 4.x; a fused bias-gelu is the tanh approximation.
 */
export function configFromMegatron(args: Readonly<Record<string, unknown>>, where: string): ConfigJson {
  const heads = args.num_attention_heads;
  if (typeof heads !== 'number')
    throw new IntegrityError(
      `${where}: the arguments of the training run name no num_attention_heads, and there is no config.json`,
      {
        code: 'missing-config',
        hint: 'put a config.json with the number of heads and the activation beside mp_rank_00',
      },
    );
  const activation = args.bias_gelu_fusion || args.openai_gelu ? 'gelu_new' : 'gelu';
  const epsilon = typeof args.layernorm_epsilon === 'number' ? args.layernorm_epsilon : 1e-5;
  return {
    n_head: heads,
    num_attention_heads: heads,
    activation_function: activation,
    hidden_act: activation,
    layer_norm_epsilon: epsilon,
    layer_norm_eps: epsilon,
  };
}
