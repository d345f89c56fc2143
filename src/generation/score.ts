/** How likely a model finds given tokens. */
import { logSumExp } from '../tensor/math.ts';
import { UsageError } from '../util/errors.ts';
import type { LanguageModel } from './language-model.ts';

/**
 * Natural logarithms of the probability of each token of each continuation, given the prompt and the tokens before it.
 * The prompt is read once.
 */
export async function scoreContinuations(
  model: LanguageModel,
  prompt: readonly number[],
  continuations: readonly (readonly number[])[],
  signal?: AbortSignal,
): Promise<number[][]> {
  if (prompt.length === 0)
    throw new UsageError('the prompt is empty: nothing gives the first token a probability', { code: 'empty-prompt' });
  const { cache, logits } = await model.prefill(prompt, signal);
  try {
    const results: number[][] = [];
    for (const tokens of continuations) {
      cache.rewind(prompt.length);
      const before = tokens.slice(0, -1);
      const [rest = []] = before.length > 0 ? await cache.step([0], [before], signal) : [];
      results.push(tokens.map((id, k) => logProbabilityOf(k === 0 ? logits : rest[k - 1]!, id)));
    }
    return results;
  } finally {
    await cache.dispose();
  }
}

// --- internal ---

function logProbabilityOf(logits: Float32Array, id: number): number {
  return logits[id]! - logSumExp(logits);
}
