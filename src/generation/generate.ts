/** Continues a prompt by greedy search, sampling or beam search, as the options say. */
import { UsageError } from '../util/errors.ts';
import { beamSearch } from './beam-search.ts';
import type { LanguageModel } from './language-model.ts';
import { type GenerationOptions, normalizeOptions } from './options.ts';
import { newTokenLimit, type SearchCallbacks, search } from './search.ts';
import { checkIds, type Sequence } from './sequence.ts';

/**
 * New tokens for a prompt. Tokens are reported as they come, except by beam search, which knows them at its end.
 * Where the context has room for fewer than maxNewTokens, a sequence ends there, by "length".
 *
 * Throws UsageError for options out of range, for ids outside the model, for a prompt that is empty or leaves no room in
 * the model's context, and when the options forbid every token; ValidationError for logits that are not finite; what
 * `signal` was aborted with.
 */
export async function generate(
  model: LanguageModel,
  prompt: readonly number[],
  options: GenerationOptions = {},
  callbacks: SearchCallbacks = {},
): Promise<Sequence[]> {
  const normal = normalizeOptions(options);
  const promptLookup = normal.promptLookup && (options.promptLookup ?? model.readsChunksExactly);
  const settings = { ...normal, promptLookup };
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
  const room = newTokenLimit(model, prompt.length, settings);
  if (settings.minNewTokens > room)
    throw new UsageError(`minNewTokens ${settings.minNewTokens}: the context has room for ${room} after the prompt`, {
      code: 'context-overflow',
      hint: 'shorten the prompt',
    });
  checkIds(model, 'prompt', prompt);
  for (const name of ['eosTokenIds', 'suppressTokens'] as const) checkIds(model, name, settings[name]);
  for (const sequence of settings.badWordsIds) checkIds(model, 'badWordsIds', sequence);
  return (settings.numBeams === 1 ? search : beamSearch)(model, prompt, settings, callbacks);
}
