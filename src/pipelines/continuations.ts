/** How likely a model finds continuations of ids: left to right after a prompt, or in the decoder for a source. */
import { scoreContinuations } from '../generation/score.ts';
import { UsageError } from '../util/errors.ts';
import type { Decoder } from './decoder.ts';
import { EncoderDecoder } from './encoder-decoder.ts';
import { startToken } from './special-tokens.ts';

/**
 * Log-probabilities of the tokens of each continuation.
 * @param ids a decoder's prompt as it is read, or an encoder-decoder's source with its special tokens
 * @param prefix encoder-decoders: what the decoder has written after its start token and is not scored
 * @throws UsageError for an empty prompt, ids outside the model, too many tokens, or a decoder without a start token
 */
export async function continuationScores(
  model: Decoder | EncoderDecoder,
  ids: readonly number[],
  continuations: readonly (readonly number[])[],
  signal?: AbortSignal,
  prefix: readonly number[] = [],
): Promise<number[][]> {
  if (!(model instanceof EncoderDecoder)) return scoreContinuations(model, [...ids, ...prefix], continuations, signal);
  const start = startToken(model);
  if (start === undefined)
    throw new UsageError(`${model.manifest.name} names no token that the decoder begins with`, {
      code: 'no-start-token',
    });
  return scoreContinuations(await model.withSource(ids, signal), [start, ...prefix], continuations, signal);
}
