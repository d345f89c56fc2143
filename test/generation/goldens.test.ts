/** Greedy and beam search give the tokens and scores of transformers' generate, on every golden run. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { generate } from '../../src/generation/generate.ts';
import type { LanguageModel } from '../../src/generation/language-model.ts';
import type { GenerationOptions } from '../../src/generation/options.ts';
import { Decoder } from '../../src/pipelines/decoder.ts';
import { EncoderDecoder } from '../../src/pipelines/encoder-decoder.ts';
import { scratchFolder } from '../helpers/scratch.ts';
import { sharedSet } from '../helpers/shared.ts';

interface Run {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly prompts: readonly { readonly target: number[]; readonly source?: number[] }[];
  readonly results: readonly { readonly new_tokens: number[][]; readonly sequences_scores?: number[] }[];
}

interface GenerationGolden {
  readonly model: string;
  readonly runs: readonly Run[];
}

const scratch = scratchFolder('generation');
const shared = sharedSet('golden');
const committed = fileURLToPath(new URL('../fixtures/generation', import.meta.url));
const [goldens, models] =
  shared === undefined ? [committed, committed] : [path.join(shared, 'generation'), path.join(shared, 'models')];
const files = readdirSync(goldens).filter(
  (name) => name.endsWith('.json') && existsSync(path.join(models, name.replace(/\.json$/, ''))),
);

/** transformers' names → ours. */
function optionsOf(options: Run['options']): GenerationOptions {
  const { early_stopping: early, eos_token_id: eos } = options;
  const known = {
    maxNewTokens: options.max_new_tokens,
    minNewTokens: options.min_new_tokens,
    repetitionPenalty: options.repetition_penalty,
    noRepeatNgramSize: options.no_repeat_ngram_size,
    badWordsIds: options.bad_words_ids,
    suppressTokens: options.suppress_tokens,
    numBeams: options.num_beams,
    numReturnSequences: options.num_return_sequences,
    lengthPenalty: options.length_penalty,
    earlyStopping: early,
    eosTokenIds: eos === undefined ? undefined : [eos],
  };
  return known as GenerationOptions;
}

describe.each(files)('%s', (file) => {
  const golden = JSON.parse(readFileSync(path.join(goldens, file), 'utf8')) as GenerationGolden;

  it('is decoded as transformers decodes it, in every run', async () => {
    const folder = path.join(scratch, golden.model);
    const manifest = await convertCheckpoint(path.join(models, golden.model), folder);
    const model = EncoderDecoder.canOpen(manifest) ? await EncoderDecoder.open(folder) : await Decoder.open(folder);
    try {
      for (const run of golden.runs)
        for (const [i, prompt] of run.prompts.entries()) {
          const options = optionsOf(run.options);
          const language: LanguageModel =
            model instanceof EncoderDecoder ? await model.withSource(prompt.source!) : model;
          const sequences = await generate(language, prompt.target, options);
          const expected = run.results[i]!;
          expect({ run: run.name, tokens: sequences.map(({ tokens }) => tokens) }).toEqual({
            run: run.name,
            tokens: expected.new_tokens,
          });
          for (const [k, score] of (expected.sequences_scores ?? []).entries())
            expect(Math.abs(sequences[k]!.score! - score)).toBeLessThan(1e-3);
          if (options.numBeams !== undefined) continue;
          const plain = await generate(language, prompt.target, { ...options, promptLookup: false });
          expect(plain[0]!.tokens).toEqual(sequences[0]!.tokens);
        }
    } finally {
      await model.dispose();
    }
  });
});
