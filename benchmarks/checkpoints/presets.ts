/** Published models by their registry names: dimensions, stored type, head. */
import type { Dimensions, FAMILIES, Head } from './families.ts';
import type { StoredDtype } from './random-numbers.ts';

export interface Preset extends Dimensions {
  readonly family: keyof typeof FAMILIES;
  readonly dtype: StoredDtype;
  readonly head: Head;
}

export const PRESETS = {
  /** IDEA-CCNL/Erlangshen-MegatronBert-1.3B: 2.5 GB. */
  'erlangshen-1.3b': {
    ...{ family: 'megatron-bert', dtype: 'float16', head: 'mlm' },
    ...{ layers: 24, hidden: 2048, heads: 8, vocabulary: 21248, positions: 512 },
  },
  /** IDEA-CCNL/Wenzhong-GPT2-3.5B and Yuyuan-GPT2-3.5B: 7.2 GB. */
  'wenzhong-3.5b': {
    ...{ family: 'gpt2', dtype: 'float16', head: 'mlm' },
    ...{ layers: 30, hidden: 3072, heads: 32, vocabulary: 50304, positions: 1024 },
  },
  /** IDEA-CCNL/Erlangshen-Roberta-110M-Similarity: 409 MB. */
  'bert-110m': {
    ...{ family: 'bert', dtype: 'float32', head: 'classifier' },
    ...{ layers: 12, hidden: 768, heads: 12, vocabulary: 21128, positions: 512 },
  },
  /** IDEA-CCNL/Wenzhong-GPT2-110M: 274 MB. */
  'gpt2-110m': {
    ...{ family: 'gpt2', dtype: 'float16', head: 'mlm' },
    ...{ layers: 12, hidden: 768, heads: 12, vocabulary: 50304, positions: 1024 },
  },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;

export function isPresetName(name: string): name is PresetName {
  return Object.hasOwn(PRESETS, name);
}
