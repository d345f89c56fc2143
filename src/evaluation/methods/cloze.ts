/**
 * Cloze (PET, Schick & Schütze 2021): the label words compete for the masks of a pattern, all masks filled in one pass.
 * Score = Σ over the masks of ln softmax over the vocabulary's tokens (rows of padding left out), as FewCLUE's baselines
 * have it (baselines/models_keras/pet). Token types are 0 throughout. Candidates of a row that differ in length are read
 * with as many masks as each has tokens, and the mean over the masks compares them.
 */
import { type Encoder, maskOutputOf, type RowOutput } from '../../pipelines/encoder.ts';
import { logSumExp } from '../../tensor/math.ts';
import { UnsupportedError, UsageError } from '../../util/errors.ts';
import type { ClozePrompt, ClueTask } from '../clue-task.ts';
import type { Example } from '../dataset.ts';
import { encodeAll, type Method } from './method.ts';
import { labelWords, splitAtMask, wordCache } from './prompt.ts';

/** A model converted before there were logit_positions gives logits over a vocabulary of 21 128 for every token: 87 MB a batch. */
export const CLOZE_BATCH_TOKENS = 1024;

/** The pattern with a number of masks, and the words that have so many tokens. */
interface Reading {
  readonly ids: readonly number[];
  /** Positions of the masks in `ids`. */
  readonly masks: readonly number[];
  /** Places of the words among the row's, and their ids, as many as masks. */
  readonly words: readonly { readonly place: number; readonly ids: readonly number[] }[];
}

/** Throws UnsupportedError for a model without a masked language model or mask token. */
export function clozeMethod(model: Encoder, task: ClueTask, prompt: ClozePrompt): Method {
  const tokenizer = model.requireTokenizer();
  const { mask, cls, sep } = tokenizer.specialTokens;
  if (!maskOutputOf(model.outputs) || !mask || !cls || !sep)
    throw new UnsupportedError(`${model.manifest.name} fills no masks, so it cannot be asked by cloze`, {
      code: 'no-mask-token',
    });
  const maxLength = Math.min(prompt.maxLength ?? task.maxLength, model.maxLength);
  const plain = (text: string): number[] => tokenizer.encodeIds(text, { addSpecialTokens: false }).ids;
  const idsOf = wordCache(plain);

  const encode = (example: Example): readonly Reading[] => {
    const words = labelWords(task, prompt.words, example).map(idsOf);
    const odd = words.findIndex((word) => word.length !== words[0]!.length);
    if (odd >= 0 && prompt.words !== 'candidates')
      throw new UsageError(
        `${task.name}: label words must have as many tokens as one another to share the masks; ` +
          `"${task.labels[0]!.value}" has ${words[0]!.length}, "${task.labels[odd]!.value}" ${words[odd]!.length}`,
        { code: 'label-words' },
      );
    const [before, after] = splitAtMask(prompt.pattern, example).map(plain) as [number[], number[]];
    return [...new Set(words.map((word) => word.length))].map((count) => {
      if (count > maxLength - 2)
        throw new UsageError(`${task.name}: ${count} masks do not fit into ${maxLength} tokens`, {
          code: 'prompt-too-long',
        });
      const masks = Array.from({ length: count }, () => mask.id);
      const body = [...before, ...masks, ...after];
      const start = windowStart(before.length + count, maxLength - 2);
      return {
        ids: [cls.id, ...body.slice(start, start + maxLength - 2), sep.id],
        masks: masks.map((_, k) => 1 + before.length - start + k),
        words: words.flatMap((ids, place) => (ids.length === count ? [{ place, ids }] : [])),
      };
    });
  };

  return {
    name: 'cloze',
    maxLength,
    details: { pattern: prompt.pattern, words: prompt.words },
    batchTokens: CLOZE_BATCH_TOKENS,
    async prepare(examples, signal) {
      const rows = await encodeAll(examples, encode, signal);
      return {
        lengths: rows.map((readings) => Math.max(...readings.map(({ ids }) => ids.length))),
        async score(indices, stop) {
          const batch = indices.map((index) => rows[index]!);
          const scores = batch.map(
            (readings) => new Float32Array(readings.reduce((n, { words }) => n + words.length, 0)),
          );
          // first readings together, then second ones: never more rows at a time than were planned for
          for (let k = 0; batch.some((readings) => readings.length > k); k++) {
            const active = batch.flatMap((readings, i) => readings.slice(k, k + 1).map((reading) => ({ i, reading })));
            const outputs = await model.logitsAt(
              active.map(({ reading }) => reading),
              active.map(({ reading }) => reading.masks),
              { signal: stop },
            );
            for (const [at, { i, reading }] of active.entries()) {
              const sums = atMasks(outputs[at]!, reading, model.vocabularySize);
              const divisor = batch[i]!.length > 1 ? reading.masks.length : 1;
              for (const [w, { place }] of reading.words.entries()) scores[i]![place] = sums[w]! / divisor;
            }
          }
          return scores;
        },
      };
    },
  };
}

// --- internal ---

/** Cut at the right; where a mask would fall away, the window slides until the last mask is its last token. */
const windowStart = (masksEnd: number, room: number): number => Math.max(0, masksEnd - room);

/** Σ over the masks of the log-probability of each word's token, (words), from their logits (masks, columns). */
function atMasks({ shape, values }: RowOutput, { masks, words }: Reading, vocabularySize: number): number[] {
  const columns = shape[1]!;
  const rows = masks.map((_, k) => values.subarray(k * columns, k * columns + vocabularySize));
  const totals = rows.map(logSumExp);
  return words.map(({ ids }) => ids.reduce((sum, id, k) => sum + rows[k]![id]! - totals[k]!, 0));
}
