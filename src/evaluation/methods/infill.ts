/**
 * Infilling (T5's own pre-training form): the encoder reads the pattern with a sentinel in the label's place, and the
 * decoder's mean log-likelihood of each label word after that sentinel is its score. No CLUE prompt was ever published
 * for T5; the patterns are fsb's, after the wording of FewCLUE's cloze.
 */
import { continuationScores } from '../../pipelines/continuations.ts';
import type { EncoderDecoder } from '../../pipelines/encoder-decoder.ts';
import { UnsupportedError } from '../../util/errors.ts';
import type { ClueTask, InfillPrompt } from '../clue-task.ts';
import type { Example } from '../dataset.ts';
import { mean } from './lm.ts';
import { encodeAll, type Method } from './method.ts';
import { labelWords, splitAtMask, wordCache } from './prompt.ts';

/** The first sentinel: T5's and Megatron-T5's name, and that of vocabularies which hold it as an ordinary piece (mT5). */
const SENTINELS = ['<extra_id_0>', '▁<extra_id_0>'] as const;

/** Examples are scored one after the other; a batch only sets how often progress is kept. */
const INFILL_BATCH_TOKENS = 4096;

interface InfillRow {
  readonly source: readonly number[];
  readonly words: readonly (readonly number[])[];
}

/** Throws UnsupportedError when the vocabulary has no sentinel or the tokenizer no end. */
export function infillMethod(model: EncoderDecoder, task: ClueTask, prompt: InfillPrompt): Method {
  const tokenizer = model.requireTokenizer();
  const sentinel = SENTINELS.map((token) => tokenizer.idOf(token)).find((id) => id !== undefined);
  if (sentinel === undefined)
    throw new UnsupportedError(
      `${model.manifest.name} has no sentinel (${SENTINELS[0]}) in its vocabulary, so it cannot fill a gap`,
      { code: 'no-sentinel' },
    );
  const maxLength = Math.min(Math.max(task.maxLength, 256), model.trainedLength);
  const plain = (text: string): number[] => tokenizer.encodeIds(text, { addSpecialTokens: false }).ids;
  const idsOf = wordCache(plain);
  // what the tokenizer puts around a text ([CLS] … [SEP], or … </s>)
  const around = tokenizer.encodeIds('').ids;
  const opening = tokenizer.specialTokens.cls && around[0] === tokenizer.specialTokens.cls.id ? around.slice(0, 1) : [];
  const closing = around.slice(opening.length);

  const encode = (example: Example): InfillRow => {
    const [before, after] = splitAtMask(prompt.source, example).map(plain) as [number[], number[]];
    const room = maxLength - around.length;
    // the gap stays: cut at the right, and on the left what would push the gap out
    const start = Math.max(0, before.length + 1 - room);
    const body = [...before, sentinel, ...after].slice(start, start + room);
    return { source: [...opening, ...body, ...closing], words: labelWords(task, prompt.words, example).map(idsOf) };
  };

  return {
    name: 'infill',
    maxLength,
    details: { source: prompt.source, words: prompt.words, normalisation: 'mean per token' },
    batchTokens: INFILL_BATCH_TOKENS,
    async prepare(examples, signal) {
      const rows = await encodeAll(examples, encode, signal);
      return {
        lengths: rows.map(({ source }) => source.length),
        async score(indices, stop) {
          const results: Float32Array[] = [];
          for (const index of indices) {
            const { source, words } = rows[index]!;
            const scores = await continuationScores(model, source, words, stop, [sentinel]);
            results.push(Float32Array.from(scores, mean));
          }
          return results;
        },
      };
    },
  };
}
