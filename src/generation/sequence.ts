/** What generation gives. */

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
