/** Continues a prompt by greedy search, sampling or beam search, as the options say. */
import { UsageError } from '../util/errors.ts';
import { beamSearch } from './beam-search.ts';
import type { LanguageModel } from './language-model.ts';
import { type GenerationOptions, normalizeOptions } from './options.ts';
import { type SearchCallbacks, search } from './search.ts';
import type { Sequence } from './sequence.ts';

/**
 * New tokens for a prompt. Tokens are reported as they come, except by beam search, which knows them at its end.
 * @throws UsageError for options out of range and for a prompt that is empty or leaves no room in the model's context
 */
export async function generate(
  model: LanguageModel,
  prompt: readonly number[],
  options: GenerationOptions = {},
  callbacks: SearchCallbacks = {},
): Promise<Sequence[]> {
  const settings = normalizeOptions(options);
  if (prompt.length === 0)
    throw new UsageError('the prompt is empty: there is no token to continue', { code: 'empty-prompt' });
  if (prompt.length >= model.maxLength)
    throw new UsageError(
      `the prompt has ${prompt.length} tokens; the model takes at most ${model.maxLength}, the continuation included`,
      {
        code: 'context-overflow',
        hint: 'shorten the prompt',
      },
    );
  if (settings.numBeams === 1) return search(model, prompt, settings, callbacks);
  const sequences = await beamSearch(model, prompt, settings, callbacks);
  for (const [sequence, { tokens }] of sequences.entries()) callbacks.shouldStop?.(sequence, tokens);
  return sequences;
}
