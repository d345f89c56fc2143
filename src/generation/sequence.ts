/** What generation takes and gives: sequences of token ids. */
import { UsageError } from '../util/errors.ts';
import type { LanguageModel } from './language-model.ts';

export interface Sequence {
  /** New ids, without the prompt, up to and including the end token. */
  readonly tokens: readonly number[];
  /** "stop": an end token or a stop string; "length": the limit. */
  readonly finishReason: 'stop' | 'length';
  /** Natural logarithm of the probability of the tokens under the model, before any processor. */
  readonly logProbability: number;
  /** Beam search's score: sum of processed log-probabilities ÷ length^lengthPenalty. */
  readonly score?: number;
}

/** A token as soon as it is certain; beam search has none before its end. */
export interface TokenEvent {
  /** Which sequence, from 0. */
  readonly sequence: number;
  readonly id: number;
  readonly logProbability: number;
}

/** Throws UsageError when one of the ids is no row of the model's embedding. */
export function checkIds({ columns }: LanguageModel, what: string, ids: readonly number[]): void {
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= columns);
  if (wrong === undefined) return;
  throw new UsageError(`${what}: expected whole numbers from 0 to ${columns - 1}, found ${wrong}`, {
    code: 'bad-token-id',
    facts: { id: wrong, columns },
  });
}
