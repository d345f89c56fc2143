/** Architectures are told by tensors: config.json's model_type is wrong in several published repositories. */
import { describe, expect, it } from 'vitest';
import { ARCHITECTURES, detectArchitecture } from '../../src/architectures/index.ts';
import { Tensors } from '../../src/architectures/tensors.ts';

const tensors = (...names: string[]) => new Tensors(new Map(names.map((name) => [name, [1]])), 'checkpoint');
const detect = (...names: string[]): string => detectArchitecture(tensors(...names), names).name;

describe('detectArchitecture', () => {
  it.each([
    // what config.json says, what the tensors are
    [
      'megatron-bert or bert',
      'megatron-bert',
      ['embeddings.position_embeddings.weight', 'encoder.layer.0.attention.ln.weight'],
    ],
    [
      'megatron-bert',
      'zhouwenwang',
      ['encoder.layer.0.attention.ln.weight', 'encoder.layer.0.attention.self.rope_emb.div_term'],
    ],
    [
      'megatron-bert, no div_term',
      'zhouwenwang',
      ['embeddings.word_embeddings.weight', 'encoder.layer.0.attention.ln.weight'],
    ],
    [
      'megatron-bert, a position_ids buffer',
      'zhouwenwang',
      ['embeddings.position_ids', 'encoder.layer.0.attention.ln.weight'],
    ],
    ['T5', 'megatron-t5', ['encoder.block.0.T5LayerSelfAttention.SelfAttention.q.weight', 'lm_head_bias']],
    ['t5 or mt5', 't5', ['shared.weight', 'encoder.block.0.layer.0.SelfAttention.q.weight']],
    ['gpt2', 'gpt2', ['wte.weight', 'h.0.attn.c_attn.weight']],
    [
      'bert',
      'bert',
      [
        'embeddings.position_embeddings.weight',
        'embeddings.LayerNorm.weight',
        'encoder.layer.0.attention.output.LayerNorm.weight',
      ],
    ],
  ])('%s is %s', (_claimed, expected, names) => {
    expect(detect(...names)).toBe(expected);
  });

  it('takes exactly one architecture for each of them', () => {
    const view = tensors('embeddings.position_embeddings.weight', 'encoder.layer.0.attention.ln.weight');
    expect(ARCHITECTURES.filter((architecture) => architecture.matches(view)).map(({ name }) => name)).toEqual([
      'megatron-bert',
    ]);
  });

  it('says what it saw when it knows none', () => {
    expect(() => detect('deberta.encoder.layer.0.weight')).toThrow(
      expect.objectContaining({
        exitCode: 8,
        code: 'unknown-architecture',
        message: expect.stringContaining('deberta.encoder.layer.0.weight'),
      }),
    );
  });
});
