import { describe, expect, it } from 'vitest';
import { canonicalName, isAlias, withCanonicalNames } from '../../src/checkpoint/canonical-names.ts';
import { contiguousStrides, elementCountOf, type LazyTensor } from '../../src/tensor/lazy-tensor.ts';
import { memorySource, thrownBy } from './building.ts';

function tensor(values: number[], shape: number[], key: string): LazyTensor {
  const source = memorySource(new Uint8Array(Float32Array.from(values).buffer));
  const storage = { key, dtype: 'float32' as const, elementCount: elementCountOf(shape), source };
  return { name: '', dtype: 'float32', shape, strides: contiguousStrides(shape), offset: 0, storage };
}

describe('canonicalName', () => {
  it.each([
    ['bert.embeddings.word_embeddings.weight', 'embeddings.word_embeddings.weight'],
    ['embeddings.word_embeddings.weight', 'embeddings.word_embeddings.weight'],
    ['module.bert.encoder.layer.0.attention.ln.bias', 'encoder.layer.0.attention.ln.bias'],
    ['model.bert.bert.encoder.layer.1.output.dense.weight', 'encoder.layer.1.output.dense.weight'],
    ['bert.cls.predictions.bias', 'cls.predictions.bias'],
    ['cls.predictions.decoder.bias', 'cls.predictions.bias'],
    ['cls.predictions.decoder.weight', 'cls.predictions.decoder.weight'],
    ['bert.embeddings.LayerNorm.gamma', 'embeddings.LayerNorm.weight'],
    ['bert.embeddings.LayerNorm.beta', 'embeddings.LayerNorm.bias'],
    ['roformer.encoder.layer.0.attention.self.rope_emb.div_term', 'encoder.layer.0.attention.self.rope_emb.div_term'],
    ['transformer.h.3.attn.c_attn.weight', 'h.3.attn.c_attn.weight'],
    ['_orig_mod.transformer.wte.weight', 'wte.weight'],
    ['lm_head.weight', 'lm_head.weight'],
    ['encoder.embed_tokens.weight', 'shared.weight'],
    ['decoder.embed_tokens.word_embeddings.weight', 'shared.word_embeddings.weight'],
    ['decoder.embed_tokens.position_embeddings.weight', 'shared.position_embeddings.weight'],
    ['encoder.block.0.layer.0.SelfAttention.q.weight', 'encoder.block.0.layer.0.SelfAttention.q.weight'],
    ['classifier.weight', 'classifier.weight'],
    ['something.else', 'something.else'],
  ])('%s → %s', (wild, canonical) => {
    expect(canonicalName(wild)).toBe(canonical);
  });
});

describe('withCanonicalNames', () => {
  it('merges names of one storage range, and copies that hold the same numbers', async () => {
    const shared = tensor([1, 2], [2, 1], 'a');
    const copy = tensor([1, 2], [2, 1], 'b');
    const wild = new Map([
      ['shared.weight', shared],
      ['encoder.embed_tokens.weight', shared],
      ['decoder.embed_tokens.weight', copy],
    ]);
    const { tensors, originalNames } = await withCanonicalNames('x.bin', wild);
    expect([...tensors.keys()]).toEqual(['shared.weight']);
    expect(tensors.get('shared.weight')).toMatchObject({ name: 'shared.weight', storage: { key: 'a' } });
    expect(originalNames).toEqual(new Map([['shared.weight', 'shared.weight']]));
    expect([isAlias(shared, shared), isAlias(shared, copy)]).toEqual([true, false]);
  });

  it('refuses two different tensors for one name, and names both', async () => {
    const wild = new Map([
      ['bert.pooler.dense.bias', tensor([1, 2], [2], 'a')],
      ['pooler.dense.bias', tensor([1, 3], [2], 'b')],
    ]);
    expect(await thrownBy(() => withCanonicalNames('x.bin', wild))).toMatchObject({
      code: 'name-collision',
      exitCode: 6,
      message: expect.stringMatching(/^x\.bin: "bert\.pooler\.dense\.bias" and "pooler\.dense\.bias" both stand for/),
    });
  });
});
