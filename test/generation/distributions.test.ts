/** Processors and warpers together give transformers' distributions, also where many tokens are alike. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { makeProcessors } from '../../src/generation/logits-processors.ts';
import { makeWarpers } from '../../src/generation/logits-warpers.ts';
import { normalizeOptions } from '../../src/generation/options.ts';
import { softmax } from '../../src/tensor/math.ts';

interface Case {
  readonly logits: number[];
  readonly ids: number[];
  readonly prompt_length: number;
  readonly parameters: Readonly<Record<string, never>>;
  readonly kept: number[];
  readonly probabilities: number[];
}

const file = new URL('../fixtures/generation/distributions.json', import.meta.url);
const cases = JSON.parse(readFileSync(file, 'utf8')) as Case[];

describe('the distribution that is sampled from', () => {
  it.each(cases.map((one, i) => [i, JSON.stringify(one.parameters), one] as const))(
    'is transformers’ in case %i: %s',
    (_i, _name, { logits, ids, prompt_length, parameters: p, kept, probabilities }) => {
      const settings = normalizeOptions({
        doSample: true,
        temperature: p.temperature,
        topK: p.top_k,
        topP: p.top_p,
        minP: p.min_p,
        typicalP: p.typical_p,
        repetitionPenalty: p.repetition_penalty,
        noRepeatNgramSize: p.no_repeat_ngram_size,
        badWordsIds: p.bad_words_ids,
        minNewTokens: p.min_new_tokens,
        suppressTokens: p.suppress_tokens,
        eosTokenIds: p.eos_token_id,
      });
      const scores = Float32Array.from(logits);
      for (const process of makeProcessors(settings)) process(scores, { ids, promptLength: prompt_length });
      for (const warp of makeWarpers(settings)) warp(scores);
      expect([...scores.keys()].filter((id) => scores[id] !== Number.NEGATIVE_INFINITY)).toEqual(kept);
      const result = softmax(scores);
      for (const [k, id] of kept.entries()) expect(Math.abs(result[id]! - probabilities[k]!)).toBeLessThan(1e-6);
    },
  );
});
