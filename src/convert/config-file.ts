/** The config.json that a raw Megatron-LM checkpoint lacks, so that other programs can open the converted folder. */
import type { ConfigJson, ModelPlan } from '../architectures/architecture.ts';

/** What transformers calls a dimension of the manifest, by architecture. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  gpt2: {
    vocabularyRows: 'vocab_size',
    hiddenSize: 'n_embd',
    numHiddenLayers: 'n_layer',
    numAttentionHeads: 'n_head',
    intermediateSize: 'n_inner',
    maxPositions: 'n_positions',
  },
  'megatron-bert': {
    vocabularyRows: 'vocab_size',
    hiddenSize: 'hidden_size',
    numHiddenLayers: 'num_hidden_layers',
    numAttentionHeads: 'num_attention_heads',
    intermediateSize: 'intermediate_size',
    maxPositions: 'max_position_embeddings',
    typeVocabularySize: 'type_vocab_size',
  },
};

/**
 * config.json of a plan, in the names of transformers' configuration classes; `config` is what the plan was made from.
 * undefined for an architecture that no raw Megatron-LM checkpoint has.
 */
export function configFileOf(plan: ModelPlan, config: ConfigJson): Record<string, unknown> | undefined {
  const fields = FIELDS[plan.architecture];
  if (!fields) return undefined;
  const dimensions = Object.entries(fields).map(([dimension, field]) => [field, plan.dimensions[dimension]]);
  return { ...config, model_type: plan.architecture, ...Object.fromEntries(dimensions) };
}
