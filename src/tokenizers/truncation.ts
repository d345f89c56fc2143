/** Cutting texts to a length, as the slow classes do (transformers: truncate_sequences). */
import type { Side, Truncation } from './tokenizer.ts';

/** How many tokens each text loses when `excess` must go. A text that is too short for its strategy loses nothing. */
export function tokensToRemove(
  length: number,
  pairLength: number | undefined,
  excess: number,
  truncation: Truncation,
): readonly [fromText: number, fromPair: number] {
  if (excess <= 0) return [0, 0];
  if (truncation === 'only-first' || (truncation === 'longest-first' && pairLength === undefined))
    return [length > excess ? excess : 0, 0];
  if (truncation === 'only-second') return [0, pairLength !== undefined && pairLength > excess ? excess : 0];
  // Token by token from the longer one, from the pair on a tie; computed at once.
  const other = pairLength ?? 0;
  const difference = Math.min(Math.abs(other - length), excess);
  const shared = excess - difference;
  const half = Math.floor(shared / 2);
  return length > other ? [difference + half, shared - half] : [half, difference + shared - half];
}

/** The range [start, end) that stays of `length` items when `count` go from a side. */
export function keptRange(length: number, count: number, side: Side): readonly [number, number] {
  const kept = Math.max(0, length - count);
  return side === 'right' ? [0, kept] : [length - kept, length];
}
