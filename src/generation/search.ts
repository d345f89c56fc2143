/** Greedy search and sampling: one token after the other, for one or more sequences that share the prompt. */
import { type Choose, chooseGreedily, chooseRandomly, logTotal } from './choose.ts';
import type { Cache, LanguageModel } from './language-model.ts';
import { forbidPadding, type LogitsProcessor, makeProcessors } from './logits-processors.ts';
import { makeWarpers } from './logits-warpers.ts';
import type { GenerationSettings } from './options.ts';
import { PromptLookup } from './prompt-lookup.ts';
import { createRandom } from './random.ts';
import type { Sequence, TokenEvent } from './sequence.ts';

export interface SearchCallbacks {
  readonly onToken?: ((event: TokenEvent) => void) | undefined;
  /** Asked once after each token, not by beam search: true ends the sequence (a stop string was completed). */
  readonly shouldStop?: ((sequence: number, tokens: readonly number[]) => boolean) | undefined;
  /**
   * Beam search's shouldStop: true when the text of these new tokens holds a stop string. Asked of every continuation
   * that may be kept, so it must depend on the tokens alone.
   */
  readonly isComplete?: ((tokens: readonly number[]) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface RunningRow {
  readonly index: number;
  readonly ids: number[];
  logProbability: number;
}

/**
 * Continues a prompt. Result: numReturnSequences sequences in their order. Throws what `signal` was aborted with, before
 * the next step of the model at the latest.
 */
export async function search(
  model: LanguageModel,
  prompt: readonly number[],
  settings: GenerationSettings,
  callbacks: SearchCallbacks = {},
): Promise<Sequence[]> {
  const { cache, logits } = await model.prefill(prompt, {
    room: newTokenLimit(model, prompt.length, settings),
    signal: callbacks.signal,
  });
  try {
    return settings.promptLookup
      ? await continueWithGuesses(model, cache, logits, prompt, settings, callbacks)
      : await continueRows(model, cache, logits, prompt, settings, callbacks);
  } finally {
    await cache.dispose();
  }
}

// --- internal ---

async function continueRows(
  model: LanguageModel,
  cache: Cache,
  first: Float32Array,
  prompt: readonly number[],
  settings: GenerationSettings,
  callbacks: SearchCallbacks,
): Promise<Sequence[]> {
  const pick = picker(model, prompt.length, settings);
  const limit = newTokenLimit(model, prompt.length, settings);
  const finished: Sequence[] = [];
  let rows: RunningRow[] = Array.from({ length: settings.numReturnSequences }, (_, index) => ({
    index,
    ids: [...prompt],
    logProbability: 0,
  }));
  let logits = rows.map(() => first);
  let parents = rows.map(() => 0);
  for (;;) {
    const going: { row: RunningRow; from: number }[] = [];
    for (const [i, row] of rows.entries()) {
      pick(logits[i]!, row, callbacks);
      const tokens = row.ids.slice(prompt.length);
      const reason = endOf(row.index, tokens, limit, settings, callbacks);
      if (reason) finished[row.index] = { tokens, finishReason: reason, logProbability: row.logProbability };
      else going.push({ row, from: parents[i]! });
    }
    if (going.length === 0) return finished;
    rows = going.map(({ row }) => row);
    callbacks.signal?.throwIfAborted();
    const next = await cache.step(
      going.map(({ from }) => from),
      rows.map((row) => [row.ids.at(-1)!]),
      callbacks.signal,
    );
    logits = next.map(([last]) => last!);
    parents = rows.map((_, i) => i);
  }
}

/** Greedy search for one sequence that checks guessed tokens several at a time. */
async function continueWithGuesses(
  model: LanguageModel,
  cache: Cache,
  first: Float32Array,
  prompt: readonly number[],
  settings: GenerationSettings,
  callbacks: SearchCallbacks,
): Promise<Sequence[]> {
  const pick = picker(model, prompt.length, settings);
  const limit = newTokenLimit(model, prompt.length, settings);
  const row: RunningRow = { index: 0, ids: [...prompt], logProbability: 0 };
  const lookup = new PromptLookup();
  let logits = [first];
  let guesses: number[] = [];
  for (;;) {
    // logits[k] follow the k-th guess; they count as long as the guesses before them were right
    let accepted = 0;
    for (const [k, position] of logits.entries()) {
      const id = pick(position, row, callbacks);
      const tokens = row.ids.slice(prompt.length);
      const reason = endOf(0, tokens, limit, settings, callbacks);
      if (reason) return [{ tokens, finishReason: reason, logProbability: row.logProbability }];
      if (guesses[k] !== id) break;
      accepted++;
    }
    if (guesses.length > 0) {
      lookup.learn(guesses.length, accepted);
      // the cache holds every guess; the last chosen token is not in it yet, unless it was guessed
      cache.rewind(row.ids.length - 1);
    }
    callbacks.signal?.throwIfAborted();
    guesses = lookup.guess(row.ids, limit - (row.ids.length - prompt.length) - 1);
    [logits] = (await cache.step([0], [[row.ids.at(-1)!, ...guesses]], callbacks.signal)) as [Float32Array[]];
  }
}

/** Chooses the next token of a row, appends it, reports it. */
function picker(
  model: LanguageModel,
  promptLength: number,
  settings: GenerationSettings,
): (logits: Float32Array, row: RunningRow, callbacks: SearchCallbacks) => number {
  const processors: LogitsProcessor[] = [...makeProcessors(settings), forbidPadding(model.vocabularySize)];
  const warpers = settings.doSample ? makeWarpers(settings) : [];
  const choose: Choose = settings.doSample ? chooseRandomly(createRandom(settings.seed)) : chooseGreedily;
  const processed = new Float32Array(model.columns);
  return (logits, row, { onToken }) => {
    const total = logTotal(logits);
    processed.set(logits);
    for (const process of processors) process(processed, { ids: row.ids, promptLength });
    for (const warp of warpers) warp(processed);
    const id = choose(processed);
    const logProbability = logits[id]! - total;
    row.ids.push(id);
    row.logProbability += logProbability;
    onToken?.({ sequence: row.index, id, logProbability });
    return id;
  };
}

function endOf(
  sequence: number,
  tokens: readonly number[],
  limit: number,
  { eosTokenIds }: GenerationSettings,
  { shouldStop }: SearchCallbacks,
): Sequence['finishReason'] | undefined {
  if (eosTokenIds.includes(tokens.at(-1)!) || shouldStop?.(sequence, tokens)) return 'stop';
  return tokens.length >= limit ? 'length' : undefined;
}

/** maxNewTokens, or what the model has room for. */
export function newTokenLimit(
  model: LanguageModel,
  promptLength: number,
  { maxNewTokens }: GenerationSettings,
): number {
  return Math.min(maxNewTokens, model.maxLength - promptLength);
}
