/** The state dicts and config.json of the published families, at any size. */
import { DEVIATION, Layout, normal } from './layout.ts';

export interface Dimensions {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  /** Rows of the embedding. */
  readonly vocabulary: number;
  readonly positions: number;
}

/** mlm: the fill-mask head; classifier: two labels on the pooler. Decoders have no choice. */
export type Head = 'mlm' | 'classifier';

export interface Family {
  config(dimensions: Dimensions, head: Head): Record<string, unknown>;
  layout(dimensions: Dimensions, head: Head): Layout;
}

/** Residual branches are scaled down with depth (GPT-2 paper, 2.3), so that activations stay of the order of one. */
const residual = ({ layers }: Dimensions) => normal(DEVIATION / Math.sqrt(2 * layers));

const megatronBert: Family = {
  config: ({ layers, hidden, heads, vocabulary, positions }, head) => ({
    ...(head === 'classifier' && classifierConfig('MegatronBertForSequenceClassification')),
    vocab_size: vocabulary,
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    hidden_act: 'gelu_new',
    intermediate_size: 4 * hidden,
    hidden_dropout_prob: 0.1,
    attention_probs_dropout_prob: 0.1,
    max_position_embeddings: positions,
    type_vocab_size: 2,
    initializer_range: 0.02,
    layer_norm_eps: 1e-12,
    gradient_checkpointing: false,
    position_embedding_type: 'absolute',
    use_cache: false,
    model_type: 'megatron-bert',
  }),

  /** As convert_megatron_bert_checkpoint.py writes it: q, k and v are slices of one matrix, the decoder an alias. */
  layout(dimensions, head) {
    const { layers, hidden: H } = dimensions;
    const layout = new Layout();
    embeddings(layout, dimensions);
    for (let i = 0; i < layers; i++) {
      const at = `bert.encoder.layer.${i}`;
      const qkv = ['query', 'key', 'value'].map((side) => `${at}.attention.self.${side}`);
      layout.norm(`${at}.attention.ln`, H);
      layout.slices(
        qkv.map((name) => `${name}.weight`),
        [H, H],
      );
      layout.slices(
        qkv.map((name) => `${name}.bias`),
        [H],
      );
      outputAndFeedForward(layout, at, dimensions);
      layout.norm(`${at}.ln`, H);
    }
    layout.norm('bert.encoder.ln', H);
    encoderHeads(layout, dimensions, head);
    return layout;
  },
};

const bert: Family = {
  config: ({ layers, hidden, heads, vocabulary, positions }, head) => ({
    architectures: [head === 'mlm' ? 'BertForMaskedLM' : 'BertForSequenceClassification'],
    ...(head === 'classifier' && classifierConfig('BertForSequenceClassification')),
    attention_probs_dropout_prob: 0.1,
    hidden_act: 'gelu',
    hidden_dropout_prob: 0.1,
    hidden_size: hidden,
    initializer_range: 0.02,
    intermediate_size: 4 * hidden,
    layer_norm_eps: 1e-12,
    max_position_embeddings: positions,
    model_type: 'bert',
    num_attention_heads: heads,
    num_hidden_layers: layers,
    pad_token_id: 0,
    position_embedding_type: 'absolute',
    type_vocab_size: 2,
    vocab_size: vocabulary,
  }),

  layout(dimensions, head) {
    const { layers, hidden: H } = dimensions;
    const layout = new Layout();
    embeddings(layout, dimensions);
    layout.norm('bert.embeddings.LayerNorm', H);
    for (let i = 0; i < layers; i++) {
      const at = `bert.encoder.layer.${i}`;
      for (const side of ['query', 'key', 'value']) {
        layout.tensor(`${at}.attention.self.${side}.weight`, [H, H]);
        layout.tensor(`${at}.attention.self.${side}.bias`, [H]);
      }
      outputAndFeedForward(layout, at, dimensions);
      layout.norm(`${at}.attention.output.LayerNorm`, H);
      layout.norm(`${at}.output.LayerNorm`, H);
    }
    encoderHeads(layout, dimensions, head);
    return layout;
  },
};

const gpt2: Family = {
  config: ({ layers, hidden, heads, vocabulary, positions }) => ({
    activation_function: 'gelu_new',
    architectures: ['GPT2LMHeadModel'],
    attn_pdrop: 0.1,
    bos_token_id: 50256,
    embd_pdrop: 0.1,
    eos_token_id: 50256,
    gradient_checkpointing: false,
    initializer_range: 0.02,
    layer_norm_epsilon: 1e-5,
    model_type: 'gpt2',
    n_ctx: positions,
    n_embd: hidden,
    n_head: heads,
    n_inner: null,
    n_layer: layers,
    n_positions: positions,
    reorder_and_upcast_attn: false,
    resid_pdrop: 0.1,
    scale_attn_by_inverse_layer_idx: false,
    scale_attn_weights: true,
    tokenizer_class: 'GPT2Tokenizer',
    torch_dtype: 'float16',
    use_cache: true,
    vocab_size: vocabulary,
  }),

  /** As convert_megatron_gpt2_checkpoint.py writes it: matrices of three layers of four transposed, masks as numbers. */
  layout(dimensions) {
    const { layers, hidden: H, vocabulary, positions } = dimensions;
    const layout = new Layout();
    layout.tensor('transformer.wte.weight', [vocabulary, H]);
    layout.tensor('transformer.wpe.weight', [positions, H]);
    for (let i = 0; i < layers; i++) {
      const at = `transformer.h.${i}`;
      layout.norm(`${at}.ln_1`, H);
      layout.tensor(`${at}.attn.bias`, [1, 1, positions, positions], { kind: 'causal-mask', size: positions });
      layout.tensor(`${at}.attn.masked_bias`, [], { kind: 'constant', value: -1e4 });
      layout.tensor(`${at}.attn.c_attn.weight`, [H, 3 * H]); // .contiguous() in the converter
      layout.tensor(`${at}.attn.c_attn.bias`, [3 * H]);
      layout.transposed(`${at}.attn.c_proj.weight`, [H, H], residual(dimensions));
      layout.tensor(`${at}.attn.c_proj.bias`, [H]);
      layout.norm(`${at}.ln_2`, H);
      layout.transposed(`${at}.mlp.c_fc.weight`, [H, 4 * H], normal(DEVIATION));
      layout.tensor(`${at}.mlp.c_fc.bias`, [4 * H]);
      layout.transposed(`${at}.mlp.c_proj.weight`, [4 * H, H], residual(dimensions));
      layout.tensor(`${at}.mlp.c_proj.bias`, [H]);
    }
    layout.norm('transformer.ln_f', H);
    layout.alias('lm_head.weight', 'transformer.wte.weight');
    return layout;
  },
};

export const FAMILIES = { 'megatron-bert': megatronBert, bert, gpt2 } as const;

// --- internal ---

function classifierConfig(className: string): Record<string, unknown> {
  return {
    architectures: [className],
    id2label: { 0: 'not similarity', 1: 'similarity' },
    label2id: { 'not similarity': 0, similarity: 1 },
  };
}

function embeddings(layout: Layout, { hidden: H, vocabulary, positions }: Dimensions): void {
  layout.tensor('bert.embeddings.word_embeddings.weight', [vocabulary, H]);
  layout.tensor('bert.embeddings.position_embeddings.weight', [positions, H]);
  layout.tensor('bert.embeddings.token_type_embeddings.weight', [2, H]);
}

function outputAndFeedForward(layout: Layout, at: string, dimensions: Dimensions): void {
  const { hidden: H } = dimensions;
  layout.tensor(`${at}.attention.output.dense.weight`, [H, H], residual(dimensions));
  layout.tensor(`${at}.attention.output.dense.bias`, [H]);
  layout.tensor(`${at}.intermediate.dense.weight`, [4 * H, H]);
  layout.tensor(`${at}.intermediate.dense.bias`, [4 * H]);
  layout.tensor(`${at}.output.dense.weight`, [H, 4 * H], residual(dimensions));
  layout.tensor(`${at}.output.dense.bias`, [H]);
}

function encoderHeads(layout: Layout, { hidden: H, vocabulary }: Dimensions, head: Head): void {
  layout.tensor('bert.pooler.dense.weight', [H, H]);
  layout.tensor('bert.pooler.dense.bias', [H]);
  if (head === 'classifier') {
    layout.tensor('classifier.weight', [2, H]);
    layout.tensor('classifier.bias', [2]);
    return;
  }
  layout.tensor('cls.predictions.bias', [vocabulary]);
  layout.tensor('cls.predictions.transform.dense.weight', [H, H]);
  layout.tensor('cls.predictions.transform.dense.bias', [H]);
  layout.norm('cls.predictions.transform.LayerNorm', H);
  layout.alias('cls.predictions.decoder.weight', 'bert.embeddings.word_embeddings.weight');
}
