/**
 * Left-to-right likelihood: which label makes the text likeliest? Score = mean log-likelihood of the continuation's
 * tokens, so that words of several tokens are not at a disadvantage. Label last (FewCLUE's GPT baseline) reads the
 * prompt once; label first (CPM-1) reads it once per label. Prompt and continuation are tokenized separately.
 */
import { continuationScores } from '../../pipelines/continuations.ts';
import type { Decoder } from '../../pipelines/decoder.ts';
import { startToken } from '../../pipelines/special-tokens.ts';
import { UsageError } from '../../util/errors.ts';
import type { ClueTask, LmPrompt } from '../clue-task.ts';
import type { Example } from '../dataset.ts';
import { encodeAll, type Method } from './method.ts';
import { fillPrompt, labelWords } from './prompt.ts';

/** Examples are scored one after the other; a batch only sets how often progress is kept. */
const LM_BATCH_TOKENS = 4096;

/** One reading: what stands before, and what is scored after it. */
interface Reading {
  readonly prompt: readonly number[];
  readonly continuations: readonly (readonly number[])[];
}

/** Throws UsageError, on preparing, for a prompt without a token. */
export function lmMethod(model: Decoder, task: ClueTask, prompt: LmPrompt): Method {
  const tokenizer = model.requireTokenizer();
  const start = startToken(model);
  const before = start === undefined ? [] : [start];
  const maxLength = Math.min(model.maxLength, model.trainedLength);
  const continuation = prompt.continuation ?? '{label}';
  const labelFirst = prompt.prompt.includes('{label}');
  const plain = (text: string): number[] => tokenizer.encodeIds(text, { addSpecialTokens: false }).ids;

  const encode = (example: Example): readonly Reading[] => {
    const words = labelWords(task, prompt.words, example);
    const tails = words.map((label) => plain(fillPrompt(continuation, example, { label })));
    const heads = (labelFirst ? words : [words[0]!]).map((label) =>
      plain(fillPrompt(prompt.prompt, example, { label })),
    );
    return heads.map((head, i) => {
      const own = labelFirst ? [tails[i]!] : tails;
      const reading = cutToModel(before, head, own, maxLength);
      if (reading.prompt.length === 0 || reading.continuations.some((tail) => tail.length === 0))
        throw new UsageError(`${task.name}: example ${example.id} leaves the prompt or the continuation empty`, {
          code: 'empty-prompt',
          hint: 'begin the prompt with a word or a mark: nothing else gives the first token a probability',
        });
      return reading;
    });
  };

  return {
    name: 'lm',
    maxLength: Number.isFinite(maxLength) ? maxLength : task.maxLength,
    details: { prompt: prompt.prompt, continuation, words: prompt.words, labelFirst, normalisation: 'mean per token' },
    batchTokens: Math.max(LM_BATCH_TOKENS, Number.isFinite(maxLength) ? maxLength : 0),
    async prepare(examples, signal) {
      const rows = await encodeAll(examples, encode, signal);
      return {
        lengths: rows.map((readings) => Math.max(...readings.map(lengthOf))),
        async score(indices, stop) {
          const results: Float32Array[] = [];
          for (const index of indices) {
            const scores: number[] = [];
            for (const { prompt: head, continuations } of rows[index]!)
              scores.push(...(await continuationScores(model, head, continuations, stop)).map(mean));
            results.push(Float32Array.from(scores));
          }
          return results;
        },
      };
    },
  };
}

export const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;

// --- internal ---

/**
 * Cuts a reading to the model's length: the prompt loses tokens on its left, since the cue stands on its right; a
 * continuation longer than half the room (label first: the text itself) loses tokens on its right.
 */
function cutToModel(
  start: readonly number[],
  head: readonly number[],
  tails: readonly (readonly number[])[],
  maxLength: number,
): Reading {
  if (!Number.isFinite(maxLength)) return { prompt: [...start, ...head], continuations: tails };
  const longest = Math.max(...tails.map((tail) => tail.length));
  const room =
    maxLength - start.length - Math.min(longest, Math.max(maxLength - start.length - head.length, maxLength / 2));
  const kept = head.slice(Math.max(0, head.length - Math.floor(room)));
  const prompt = [...start, ...kept];
  return { prompt, continuations: tails.map((tail) => tail.slice(0, maxLength - prompt.length)) };
}

const lengthOf = ({ prompt, continuations }: Reading): number =>
  prompt.length + Math.max(...continuations.map((tail) => tail.length));
