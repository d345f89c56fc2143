/** <extra_id_N>, the tokens that stand for gaps: where T5 has them, and the ones Randeng adds to a BERT vocabulary. */
import { UnsupportedError } from '../util/errors.ts';
import type { Vocabulary } from './token-model.ts';
import type { AddedTokenSpec, TokenizerSettings } from './tokenizer-settings.ts';

/**
 * What Randeng-MegatronT5 adds to its BERT vocabulary, in order (Fengshenbang-LM,
 * fengshen/models/megatron_t5/tokenization_megatron_t5.py). For openTokenizer's addedTokens.
 */
export const RANDENG_ADDED_TOKENS: readonly string[] = ['[BOS]', '[EOS]', ...sentinelNames(118)];

/** T5Tokenizer's default; a vocabulary that holds sentinels itself (mT5) needs none. */
const DEFAULT_EXTRA_IDS = 100;

/** Sentinels eat the whitespace around them. */
const SENTINEL = { special: true, lstrip: true, rstrip: true, singleWord: false, normalized: false } as const;

/** ["<extra_id_0>", "<extra_id_1>", …]. */
export function sentinelNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `<extra_id_${i}>`);
}

/** T5's sentinels: where they are placed, and all additional tokens with them. */
export interface Sentinels {
  readonly placed: ReadonlyMap<number, AddedTokenSpec>;
  readonly additional: readonly AddedTokenSpec[];
  /** How many are appended to the vocabulary. */
  readonly extraIds: number;
}

/**
 * What T5Tokenizer makes of `extraIds` and the additional tokens. Sentinels count down from the last id, the `extraIds`
 * appended ones included: when the additional tokens name them and none are appended, they take the last ids of the
 * vocabulary (mT5: the pieces "▁<extra_id_N>"). Additional tokens without any sentinel get them at their end, counting
 * up. Where nothing says how many, a vocabulary that has such pieces itself gets none.
 * Throws UnsupportedError when both say how many, and differently.
 */
export function placeSentinels(vocabulary: Vocabulary, settings: TokenizerSettings): Sentinels {
  const hasOwn = vocabulary.idOf('▁<extra_id_0>') !== undefined;
  const extraIds = settings.extraIds ?? (hasOwn ? 0 : DEFAULT_EXTRA_IDS);
  const named = settings.additional?.filter(({ content }) => content.includes('<extra_id_')).length;
  if (named && extraIds > 0 && named !== extraIds)
    throw new UnsupportedError(
      `the additional special tokens name ${named} sentinels, extra_ids asks for ${extraIds}`,
      {
        code: 'unsupported-tokenizer-option',
      },
    );
  const last = vocabulary.size - 1 + extraIds;
  const specs = sentinelNames(named || extraIds).map((content) => ({ ...SENTINEL, content }));
  const counted = named === 0 ? [] : specs;
  return {
    placed: new Map(counted.map((spec, i) => [last - i, spec])),
    additional: named ? settings.additional! : [...(settings.additional ?? []), ...specs],
    extraIds,
  };
}
