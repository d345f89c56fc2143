/** How a model answers a task. Each way is one small strategy; everything after the scores is shared. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Example } from '../dataset.ts';

export const METHODS = ['head', 'cloze', 'lm', 'infill', 'unimc', 'nli', 'probe', 'few-shot'] as const;
export type MethodName = (typeof METHODS)[number];

/** Examples read by a method, ready to be scored in any order. */
export interface PreparedExamples {
  /** Tokens of each example, without padding: what batches are planned by. */
  readonly lengths: readonly number[];
  /**
   * For each of the given examples one score per label (per candidate, where the row has its own), in the order of the
   * task's labels. More is likelier. Open questions: the score of the answer alone.
   */
  score(indices: readonly number[], signal?: AbortSignal): Promise<Float32Array[]>;
  /** Open questions: the answer of an example that has been scored. */
  answerOf?(index: number): string;
}

export interface Method {
  readonly name: MethodName;
  /** Longest input in tokens. */
  readonly maxLength: number;
  /** What belongs into the report so that the number can be repeated: the prompt, its words, its form. */
  readonly details: Readonly<Record<string, unknown>>;
  /** Tokens per batch when the user names none. */
  readonly batchTokens: number;
  prepare(examples: readonly Example[], signal?: AbortSignal): Promise<PreparedExamples>;
}

/** Examples encoded between two looks at the event loop: a signal is noticed within milliseconds. */
const ENCODE_SLICE = 256;

/** Encodes examples one by one, leaving the event loop its turns. */
export async function encodeAll<T>(
  examples: readonly Example[],
  encode: (example: Example) => T,
  signal: AbortSignal | undefined,
): Promise<T[]> {
  const rows: T[] = [];
  for (const [index, example] of examples.entries()) {
    if (index % ENCODE_SLICE === 0) {
      await nextTurn();
      signal?.throwIfAborted();
    }
    rows.push(encode(example));
  }
  return rows;
}
