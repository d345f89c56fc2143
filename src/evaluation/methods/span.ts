/**
 * A fine-tuned question-answering head: which span of the passage answers the question? Long passages are read through
 * windows; the span with the largest sum of start and end logit wins, over all windows. As CLUE's baseline has it
 * (baselines/models_pytorch/mrc_pytorch: cmrc2018_preprocess.py, cmrc2018_output.py), but for the answer's text, which is
 * cut from the passage by offsets instead of being put together from tokens.
 */
import type { Encoder, Row } from '../../pipelines/encoder.ts';
import { topK } from '../../tensor/math.ts';
import { UnsupportedError } from '../../util/errors.ts';
import type { ClueTask } from '../clue-task.ts';
import type { Example } from '../dataset.ts';
import { HEAD_BATCH_TOKENS } from './head.ts';
import { encodeAll, type Method } from './method.ts';

/** The baseline's numbers, in tokens (run_mrc.py). */
const MAX_QUESTION = 64;
const STRIDE = 128;
const MAX_ANSWER = 50;
/** Best starts and ends of a window that are combined. */
const BEST = 20;

interface Window extends Row {
  readonly ids: readonly number[];
  /** Place of the window's first passage token in `ids`, and among the passage's tokens. */
  readonly offset: number;
  readonly first: number;
  readonly length: number;
}

interface Reading {
  readonly windows: readonly Window[];
  /** Code points of the passage behind each of its tokens. */
  readonly offsets: readonly (readonly [start: number, end: number])[];
  readonly characters: readonly string[];
}

/** Throws UnsupportedError for a model without a question-answering head. */
export function spanMethod(model: Encoder, task: ClueTask, maxLength = task.maxLength): Method {
  const tokenizer = model.requireTokenizer();
  const { cls, sep } = tokenizer.specialTokens;
  if (!model.has('start_logits') || !model.has('end_logits') || !cls || !sep)
    throw new UnsupportedError(`${task.name} needs a question-answering head, which ${model.manifest.name} lacks`, {
      code: 'no-span-head',
      hint: 'evaluate a model that was fine-tuned for it (BertForQuestionAnswering)',
    });
  const longest = Math.min(maxLength, model.maxLength);

  const encode = ({ text, pair = '' }: Example): Reading => {
    const question = tokenizer
      .encodeIds(pair, { addSpecialTokens: false })
      .ids.slice(0, Math.min(MAX_QUESTION, Math.floor(longest / 2)));
    const { ids, offsets } = tokenizer.encode(text, { addSpecialTokens: false });
    const room = longest - question.length - 3;
    const head = [cls.id, ...question, sep.id];
    const windows = windowsOf(ids.length, room).map(({ first, length }): Window => {
      const passage = [...ids.slice(first, first + length), sep.id];
      return {
        ids: [...head, ...passage],
        typeIds: [...head.map(() => 0), ...passage.map(() => 1)],
        offset: head.length,
        first,
        length,
      };
    });
    return { windows, offsets, characters: [...text] };
  };

  return {
    name: 'head',
    maxLength: longest,
    details: { head: 'question answering', stride: STRIDE, maxQuestion: MAX_QUESTION, maxAnswer: MAX_ANSWER },
    batchTokens: HEAD_BATCH_TOKENS,
    async prepare(examples, signal) {
      const readings = await encodeAll(examples, encode, signal);
      const answers = new Map<number, string>();
      return {
        lengths: readings.map(({ windows }) => Math.max(...windows.map(({ ids }) => ids.length))),
        answerOf: (index) => answers.get(index)!,
        async score(indices, stop) {
          const batch = indices.map((index) => readings[index]!);
          const found = batch.map((): Span[] => []);
          // first windows together, then second ones: never more rows at a time than were planned for
          for (let k = 0; batch.some(({ windows }) => windows.length > k); k++) {
            const active = batch.flatMap(({ windows }, i) => windows.slice(k, k + 1).map((window) => ({ i, window })));
            const outputs = await model.run(
              active.map(({ window }) => window),
              ['start_logits', 'end_logits'],
              stop,
            );
            for (const [at, { i, window }] of active.entries()) {
              const [start, end] = outputs[at]!;
              found[i]!.push(...spansOf(window, batch[i]!.windows, start!.values, end!.values));
            }
          }
          return indices.map((index, i) => {
            const best = found[i]!.reduce<Span | undefined>((a, b) => (a && a.score >= b.score ? a : b), undefined);
            answers.set(index, best ? textOf(batch[i]!, best) : '');
            return Float32Array.of(best?.score ?? NO_SPAN);
          });
        },
      };
    },
  };
}

// --- internal ---

/** The score where no pair of best start and end makes a span. */
const NO_SPAN = -1e6;

interface Span {
  /** Tokens of the passage, both included. */
  readonly start: number;
  readonly end: number;
  readonly score: number;
}

/** Windows over `count` tokens, each `room` long but the last, STRIDE apart; one empty window for an empty passage. */
export function windowsOf(count: number, room: number): { readonly first: number; readonly length: number }[] {
  const windows: { first: number; length: number }[] = [];
  for (let first = 0; ; first += Math.min(room, STRIDE)) {
    const length = Math.min(room, count - first);
    windows.push({ first, length });
    if (first + length >= count) return windows;
  }
}

/**
 * Where windows overlap, a start counts only in the window that shows most around it: the smaller of its left and right
 * context, plus a hundredth of the window's length; ties go to the earlier window.
 */
export function widestWindow(
  windows: readonly { readonly first: number; readonly length: number }[],
  token: number,
): number {
  let best = -1;
  let most = Number.NEGATIVE_INFINITY;
  for (const [i, { first, length }] of windows.entries()) {
    const last = first + length - 1;
    if (token < first || token > last) continue;
    const context = Math.min(token - first, last - token) + 0.01 * length;
    if (context > most) [best, most] = [i, context];
  }
  return best;
}

function spansOf(window: Window, windows: readonly Window[], start: Float32Array, end: Float32Array): Span[] {
  const place = windows.indexOf(window);
  // question and marks take part in the ranking and are then left out, as in the baseline
  const inside = (at: number): boolean => at >= window.offset && at < window.offset + window.length;
  const toToken = (at: number): number => at - window.offset + window.first;
  const ends = topK(end, BEST).filter(inside);
  return topK(start, BEST)
    .filter((at) => inside(at) && widestWindow(windows, toToken(at)) === place)
    .flatMap((from) =>
      ends
        .filter((to) => to >= from && to - from < MAX_ANSWER)
        .map((to) => ({ start: toToken(from), end: toToken(to), score: start[from]! + end[to]! })),
    );
}

const textOf = ({ offsets, characters }: Reading, { start, end }: Span): string =>
  characters.slice(offsets[start]![0], offsets[end]![1]).join('').trim();
