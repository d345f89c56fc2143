/**
 * Cloze (PET, Schick & Schütze 2021): the label words compete for the masks of a pattern, all masks filled in one pass.
 * Score = Σ over the masks of ln softmax over the vocabulary's tokens (rows of padding left out), as FewCLUE's baselines
 * have it (baselines/models_keras/pet). Token types are 0 throughout.
 */
import type { Encoder } from '../../pipelines/encoder.ts';
import { logSumExp } from '../../tensor/math.ts';
import { UnsupportedError, UsageError } from '../../util/errors.ts';
import type { ClozePrompt, ClueTask } from '../clue-task.ts';
import type { Example } from '../dataset.ts';
import { encodeAll, type Method } from './method.ts';
import { labelWords, splitAtMask, wordCache } from './prompt.ts';

/** Logits over a vocabulary of 21 128 for every token: 87 MB a batch. */
export const CLOZE_BATCH_TOKENS = 1024;

interface ClozeRow {
  readonly ids: readonly number[];
  /** Positions of the masks in `ids`. */
  readonly masks: readonly number[];
  /** Ids of each label's word, as many as masks. */
  readonly words: readonly (readonly number[])[];
}

/** Throws UnsupportedError for a model without a masked language model or mask token. */
export function clozeMethod(model: Encoder, task: ClueTask, prompt: ClozePrompt): Method {
  const tokenizer = model.requireTokenizer();
  const { mask, cls, sep } = tokenizer.specialTokens;
  if (!model.has('mlm_logits') || !mask || !cls || !sep)
    throw new UnsupportedError(`${model.manifest.name} fills no masks, so it cannot be asked by cloze`, {
      code: 'no-mask-token',
    });
  const maxLength = Math.min(prompt.maxLength ?? task.maxLength, model.maxLength);
  const plain = (text: string): number[] => tokenizer.encodeIds(text, { addSpecialTokens: false }).ids;
  const idsOf = wordCache(plain);

  const encode = (example: Example): ClozeRow => {
    const words = labelWords(task, prompt.words, example).map(idsOf);
    const count = words[0]!.length;
    const odd = words.findIndex((word) => word.length !== count);
    if (odd >= 0)
      throw new UsageError(
        `${task.name}: label words must have as many tokens as one another to share the masks; ` +
          `"${task.labels[0]!.value}" has ${count}, "${task.labels[odd]!.value}" ${words[odd]!.length}`,
        { code: 'label-words' },
      );
    if (count > maxLength - 2)
      throw new UsageError(`${task.name}: ${count} masks do not fit into ${maxLength} tokens`, {
        code: 'prompt-too-long',
      });
    const [before, after] = splitAtMask(prompt.pattern, example).map(plain) as [number[], number[]];
    const body = [...before, ...words[0]!.map(() => mask.id), ...after];
    const start = windowStart(before.length + count, maxLength - 2);
    const ids = [cls.id, ...body.slice(start, start + maxLength - 2), sep.id];
    return { ids, masks: words[0]!.map((_, k) => 1 + before.length - start + k), words };
  };

  return {
    name: 'cloze',
    maxLength,
    details: { pattern: prompt.pattern, words: prompt.words },
    batchTokens: CLOZE_BATCH_TOKENS,
    async prepare(examples, signal) {
      const rows = await encodeAll(examples, encode, signal);
      return {
        lengths: rows.map(({ ids }) => ids.length),
        async score(indices, stop) {
          const batch = indices.map((index) => rows[index]!);
          const outputs = await model.run(batch, ['mlm_logits'], stop);
          return outputs.map(([output], i) => atMasks(output!, batch[i]!, model.vocabularySize));
        },
      };
    },
  };
}

// --- internal ---

/** Cut at the right; where a mask would fall away, the window slides until the last mask is its last token. */
const windowStart = (masksEnd: number, room: number): number => Math.max(0, masksEnd - room);

/** Σ over the masks of the log-probability of each word's token, (labels). */
function atMasks(
  { shape, values }: { readonly shape: readonly number[]; readonly values: Float32Array },
  { masks, words }: ClozeRow,
  vocabularySize: number,
): Float32Array {
  const columns = shape[1]!;
  const rows = masks.map((at) => values.subarray(at * columns, at * columns + vocabularySize));
  const totals = rows.map(logSumExp);
  return Float32Array.from(words, (word) => word.reduce((sum, id, k) => sum + rows[k]![id]! - totals[k]!, 0));
}
