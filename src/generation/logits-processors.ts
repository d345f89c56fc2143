/**
 * What may be said next: each processor changes logits in place, by the formulas and in the order of
 * transformers.generation.logits_process (v4.57).
 */
import type { GenerationSettings } from './options.ts';

/** Where a row stands. */
export interface RowContext {
  /** Prompt and what was generated. */
  readonly ids: readonly number[];
  readonly promptLength: number;
}

export type LogitsProcessor = (logits: Float32Array, context: RowContext) => void;

const NEVER = Number.NEGATIVE_INFINITY;

/** The processors that the settings ask for, in transformers' order; greedy search, sampling and beams use them alike. */
export function makeProcessors(settings: GenerationSettings): LogitsProcessor[] {
  const { repetitionPenalty, noRepeatNgramSize, badWordsIds, minNewTokens, suppressTokens, eosTokenIds } = settings;
  const processors: LogitsProcessor[] = [];
  if (repetitionPenalty !== 1) processors.push(penalizeRepetition(repetitionPenalty));
  if (noRepeatNgramSize > 0) processors.push(forbidRepeatedNgrams(noRepeatNgramSize));
  if (badWordsIds.length > 0) processors.push(forbidSequences(badWordsIds, eosTokenIds));
  if (minNewTokens > 0 && eosTokenIds.length > 0) processors.push(forbidEarlyEnd(minNewTokens, eosTokenIds));
  if (suppressTokens.length > 0) processors.push(forbidTokens(suppressTokens));
  return processors;
}

/** Divides the logits of ids that occurred by the penalty, multiplies them when negative (Keskar et al., arXiv:1909.05858). */
export function penalizeRepetition(penalty: number): LogitsProcessor {
  const factor = Math.fround(penalty); // torch computes in float32
  return (logits, { ids }) => {
    for (const id of new Set(ids)) logits[id] = logits[id]! < 0 ? logits[id]! * factor : logits[id]! / factor;
  };
}

/** Forbids the token that would complete an n-gram which occurred already. */
export function forbidRepeatedNgrams(size: number): LogitsProcessor {
  return (logits, { ids }) => {
    const last = ids.length - size + 1; // where the open n-gram begins
    for (let start = 0; start < last; start++)
      if (matches(ids, start, last, size - 1)) logits[ids[start + size - 1]!] = NEVER;
  };
}

/**
 * Forbids the last token of each sequence where the text so far ends with the others. As in transformers, a bare end
 * token cannot be forbidden so, and a sequence longer than prompt and continuation together is not looked for.
 */
export function forbidSequences(
  sequences: readonly (readonly number[])[],
  eosTokenIds: readonly number[],
): LogitsProcessor {
  const real = sequences.filter(
    (sequence) => sequence.length > 0 && !(sequence.length === 1 && eosTokenIds.includes(sequence[0]!)),
  );
  return (logits, { ids }) => {
    for (const sequence of real) {
      const before = sequence.length - 1;
      const start = ids.length - before;
      if (
        sequence.length <= Math.max(1, ids.length) &&
        sequence.slice(0, before).every((id, i) => id === ids[start + i])
      )
        logits[sequence[before]!] = NEVER;
    }
  };
}

/** Forbids the end tokens before so many new tokens. */
export function forbidEarlyEnd(minNewTokens: number, eosTokenIds: readonly number[]): LogitsProcessor {
  return (logits, { ids, promptLength }) => {
    if (ids.length - promptLength < minNewTokens) for (const id of eosTokenIds) logits[id] = NEVER;
  };
}

/** Forbids tokens always. */
export function forbidTokens(tokens: readonly number[]): LogitsProcessor {
  return (logits) => {
    for (const id of tokens) logits[id] = NEVER;
  };
}

/** Forbids the embedding's padding rows. */
export function forbidPadding(vocabularySize: number): LogitsProcessor {
  return (logits) => void logits.fill(NEVER, vocabularySize);
}

// --- internal ---

/** True when ids[a … a+count) equals ids[b … b+count). */
function matches(ids: readonly number[], a: number, b: number, count: number): boolean {
  for (let i = 0; i < count; i++) if (ids[a + i] !== ids[b + i]) return false;
  return true;
}
