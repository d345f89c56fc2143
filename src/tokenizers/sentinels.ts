/** <extra_id_N>, the tokens that stand for gaps: where T5 has them, and the ones Randeng adds to a BERT vocabulary. */
import type { Vocabulary } from './token-model.ts';
import type { AddedTokenSpec, TokenizerSettings } from './tokenizer-settings.ts';

/**
 * What Randeng-MegatronT5 adds to its BERT vocabulary, in order (Fengshenbang-LM,
 * fengshen/models/megatron_t5/tokenization_megatron_t5.py). For openTokenizer's addedTokens.
 */
export const RANDENG_ADDED_TOKENS: readonly string[] = ['[BOS]', '[EOS]', ...sentinelNames(118)];

/** T5Tokenizer's default; a vocabulary that holds sentinels itself (mT5) needs none. */
const DEFAULT_EXTRA_IDS = 100;

/** ["<extra_id_0>", "<extra_id_1>", …]. */
export function sentinelNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `<extra_id_${i}>`);
}

/**
 * Where T5Tokenizer places its sentinels: counted down from the last id, the `extraIds` appended ones included. When
 * the additional tokens name sentinels and none are appended, they take the last ids of the vocabulary (mT5: the
 * pieces "▁<extra_id_N>"). Without any word on it, a vocabulary that has such pieces gets no further ones.
 */
export function sentinelTokens(vocabulary: Vocabulary, settings: TokenizerSettings): Map<number, AddedTokenSpec> {
  const named = settings.additional.filter(({ content }) => content.includes('<extra_id_')).length;
  const hasOwn = vocabulary.idOf('▁<extra_id_0>') !== undefined;
  const extraIds = settings.extraIds ?? (named > 0 || hasOwn ? 0 : DEFAULT_EXTRA_IDS);
  const last = vocabulary.size - 1 + extraIds;
  return new Map(
    sentinelNames(named > 0 ? named : extraIds).map((content, i) => [
      last - i,
      { content, special: true, lstrip: true, rstrip: true, singleWord: false, normalized: false },
    ]),
  );
}
