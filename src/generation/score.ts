/** How likely a model finds given tokens. */
import { UsageError } from '../util/errors.ts';
import { logTotal } from './choose.ts';
import type { Cache, LanguageModel } from './language-model.ts';
import { checkIds } from './sequence.ts';

/** Tokens that are read at once: their logits over 50 000 columns take 13 MB. */
const CHUNK_TOKENS = 64;

/**
 * Natural logarithms of the probability of each token of each continuation, given the prompt and the tokens before it,
 * over all columns. The prompt is read once.
 *
 * Throws UsageError for an empty prompt, ids outside the model, and more tokens than it takes.
 */
export async function scoreContinuations(
  model: LanguageModel,
  prompt: readonly number[],
  continuations: readonly (readonly number[])[],
  signal?: AbortSignal,
): Promise<number[][]> {
  if (prompt.length === 0)
    throw new UsageError('the prompt is empty: nothing gives the first token a probability', { code: 'empty-prompt' });
  for (const tokens of [prompt, ...continuations]) checkIds(model, 'token ids', tokens);
  for (const tokens of continuations) checkRoom(model, prompt.length + tokens.length - 1); // the last one is not read
  const { cache, logits } = await model.prefill(prompt, {
    room: continuations.reduce((most, { length }) => Math.max(most, length), 0),
    signal,
  });
  try {
    const total = logTotal(logits);
    const results: number[][] = [];
    for (const tokens of continuations) {
      cache.rewind(prompt.length);
      const first = tokens.slice(0, 1).map((id) => logits[id]! - total);
      results.push([...first, ...(await scoreRest(cache, tokens, signal))]);
    }
    return results;
  } finally {
    await cache.dispose();
  }
}

// --- internal ---

/** The log-probabilities of tokens[1 …], a chunk at a time. */
async function scoreRest(cache: Cache, tokens: readonly number[], signal?: AbortSignal): Promise<number[]> {
  const results: number[] = [];
  for (let start = 0; start < tokens.length - 1; start += CHUNK_TOKENS) {
    signal?.throwIfAborted();
    const chunk = tokens.slice(start, Math.min(start + CHUNK_TOKENS, tokens.length - 1));
    const [rows] = (await cache.step([0], [chunk], signal)) as [Float32Array[]];
    for (const [k, row] of rows.entries()) results.push(row[tokens[start + k + 1]!]! - logTotal(row));
  }
  return results;
}

function checkRoom(model: LanguageModel, length: number): void {
  if (length > model.maxLength)
    throw new UsageError(`prompt and continuation have ${length} tokens; the model takes at most ${model.maxLength}`, {
      code: 'context-overflow',
      hint: 'shorten the text',
    });
}
