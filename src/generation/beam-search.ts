/**
 * Beam search by the rules of transformers' generate (v4.57): processors see log-probabilities, which are not normalised
 * again; of the best continuations, (end tokens + 1) · beams and at least 2 · beams, only the first `beams` may finish; a
 * hypothesis is scored by sum ÷ (new tokens)^lengthPenalty.
 */
import { logTotal, nothingLeft } from './choose.ts';
import type { LanguageModel } from './language-model.ts';
import { forbidPadding, makeProcessors } from './logits-processors.ts';
import type { GenerationSettings } from './options.ts';
import { newTokenLimit, type SearchCallbacks } from './search.ts';
import type { Sequence } from './sequence.ts';

interface Beam {
  /** Sum of processed log-probabilities. */
  readonly sum: number;
  /** Sum of the model's own. */
  readonly logProbability: number;
  /** New tokens. */
  readonly tokens: readonly number[];
  /** Row of the cache that it continues. */
  readonly parent: number;
}

/** A continuation, and what ends it, if it ends. */
interface Candidate extends Beam {
  readonly end: Sequence['finishReason'] | undefined;
}

interface Hypothesis extends Candidate {
  readonly score: number;
}

/**
 * The numReturnSequences best sequences, best first. Throws UsageError when the options leave fewer than that, what
 * `signal` was aborted with.
 */
export async function beamSearch(
  model: LanguageModel,
  prompt: readonly number[],
  settings: GenerationSettings,
  { signal, isComplete }: Pick<SearchCallbacks, 'signal' | 'isComplete'> = {},
): Promise<Sequence[]> {
  const { numBeams, lengthPenalty, earlyStopping, eosTokenIds, numReturnSequences } = settings;
  const limit = newTokenLimit(model, prompt.length, settings);
  const processors = [...makeProcessors(settings), forbidPadding(model.vocabularySize)];
  const candidateCount = Math.max(2, 1 + eosTokenIds.length) * numBeams;
  const endOf = ({ tokens }: Beam): Candidate['end'] => {
    if (eosTokenIds.includes(tokens.at(-1)!) || isComplete?.(tokens)) return 'stop';
    return tokens.length === limit ? 'length' : undefined;
  };
  const { cache, logits: first } = await model.prefill(prompt, { room: limit, signal });
  try {
    let logits = [first];
    let running: readonly Beam[] = [{ sum: 0, logProbability: 0, tokens: [], parent: 0 }];
    let finished: Hypothesis[] = [];
    for (let count = 1; ; count++) {
      const best = bestContinuations(running, logits, candidateCount, (scores, beam) => {
        const context = { ids: [...prompt, ...beam.tokens], promptLength: prompt.length };
        for (const process of processors) process(scores, context);
      });
      const candidates = best.map((beam): Candidate => ({ ...beam, end: endOf(beam) }));
      const done = candidates.slice(0, numBeams).filter(({ end }) => end !== undefined);
      finished.push(...done.map((candidate) => ({ ...candidate, score: candidate.sum / count ** lengthPenalty })));
      finished = finished.sort((a, b) => b.score - a.score).slice(0, numBeams);
      running = candidates.filter(({ end }) => end === undefined).slice(0, numBeams);
      if (running.length === 0) break;
      if (finished.length === numBeams) {
        // the best that the running beams can still reach, by the length they have or (never) could have
        const length = earlyStopping === 'never' && lengthPenalty > 0 ? limit : count;
        const canImprove = running[0]!.sum / length ** lengthPenalty > finished.at(-1)!.score;
        if (!canImprove || earlyStopping === true) break;
      }
      signal?.throwIfAborted();
      const next = await cache.step(
        running.map(({ parent }) => parent),
        running.map(({ tokens }) => [tokens.at(-1)!]),
        signal,
      );
      logits = next.map(([last]) => last!);
      running = running.map((beam, parent) => ({ ...beam, parent }));
    }
    if (finished.length < numReturnSequences) throw nothingLeft();
    return finished.slice(0, numReturnSequences).map(({ score, tokens, end, logProbability }) => ({
      tokens,
      finishReason: end!,
      logProbability,
      score,
    }));
  } finally {
    await cache.dispose();
  }
}

// --- internal ---

/** The `count` best continuations of all beams, best first; equal ones in order of beam, then id. */
function bestContinuations(
  beams: readonly Beam[],
  logits: readonly Float32Array[],
  count: number,
  process: (scores: Float32Array, beam: Beam) => void,
): Beam[] {
  const best: { sum: number; row: number; id: number; own: number }[] = [];
  for (const [row, beam] of beams.entries()) {
    const total = logTotal(logits[row]!);
    const own = logits[row]!.map((logit) => logit - total);
    const scores = own.slice();
    process(scores, beam);
    for (let id = 0; id < scores.length; id++) {
      const sum = beam.sum + scores[id]!;
      if (best.length === count && !(sum > best[count - 1]!.sum)) continue;
      if (sum === Number.NEGATIVE_INFINITY) continue;
      let at = best.length;
      while (at > 0 && sum > best[at - 1]!.sum) at--;
      best.splice(at, 0, { sum, row, id, own: own[id]! });
      if (best.length > count) best.pop();
    }
  }
  return best.map(({ sum, row, id, own }) => {
    const { tokens, logProbability } = beams[row]!;
    return { sum, logProbability: logProbability + own, tokens: [...tokens, id], parent: row };
  });
}
