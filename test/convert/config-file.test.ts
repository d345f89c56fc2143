/** What other programs read of a converted raw Megatron-LM checkpoint. */
import { describe, expect, it } from 'vitest';
import type { ModelPlan } from '../../src/architectures/architecture.ts';
import { configFileOf } from '../../src/convert/config-file.ts';

const dimensions = {
  vocabularyRows: 350,
  hiddenSize: 32,
  numHiddenLayers: 4,
  numAttentionHeads: 2,
  intermediateSize: 128,
  maxPositions: 48,
};
const planOf = (architecture: string): ModelPlan => ({ architecture, dimensions }) as unknown as ModelPlan;

describe('configFileOf', () => {
  it('gives GPT-2 the names of GPT2Config, and keeps what the training run said', () => {
    expect(configFileOf(planOf('gpt2'), { activation_function: 'gelu_new' })).toEqual({
      activation_function: 'gelu_new',
      model_type: 'gpt2',
      vocab_size: 350,
      n_embd: 32,
      n_layer: 4,
      n_head: 2,
      n_inner: 128,
      n_positions: 48,
    });
  });

  it('gives MegatronBERT the names of MegatronBertConfig', () => {
    expect(configFileOf(planOf('megatron-bert'), {})).toMatchObject({ num_hidden_layers: 4, hidden_size: 32 });
  });

  it('has nothing for architectures that are never raw', () => {
    expect(configFileOf(planOf('t5'), {})).toBeUndefined();
  });
});
