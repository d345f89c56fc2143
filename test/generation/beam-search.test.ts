/** Beam search: several ends as transformers has them, and agreement with an exhaustive search. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { generate } from '../../src/generation/generate.ts';
import { Decoder } from '../../src/pipelines/decoder.ts';
import { logSumExp } from '../../src/tensor/math.ts';
import { scratchFolder } from '../helpers/scratch.ts';
import { FakeModel } from './fake-model.ts';

interface Run {
  readonly prompt: number[];
  readonly options: {
    readonly max_new_tokens: number;
    readonly num_beams: number;
    readonly num_return_sequences: number;
    readonly early_stopping: boolean | 'never';
    readonly length_penalty: number;
    readonly eos_token_id: number[];
  };
  readonly end_sequence: number[] | null;
  readonly new_tokens: number[][];
  readonly sequences_scores: number[];
}

const fixtures = fileURLToPath(new URL('../fixtures/generation', import.meta.url));
const scratch = scratchFolder('beams');

describe('beam search', () => {
  it('ends as transformers does at one of several tokens, and at a sequence of tokens', async () => {
    await convertCheckpoint(path.join(fixtures, 'gpt2-bf16'), scratch);
    const model = await Decoder.open(scratch);
    try {
      const runs = JSON.parse(readFileSync(path.join(fixtures, 'ends.json'), 'utf8')) as Run[];
      for (const { prompt, options, end_sequence: end, new_tokens, sequences_scores } of runs) {
        const isComplete = (tokens: readonly number[]): boolean =>
          end !== null && tokens.slice(-end.length).join() === end.join() && tokens.length >= end.length;
        const sequences = await generate(
          model,
          prompt,
          {
            maxNewTokens: options.max_new_tokens,
            numBeams: options.num_beams,
            numReturnSequences: options.num_return_sequences,
            earlyStopping: options.early_stopping,
            lengthPenalty: options.length_penalty,
            eosTokenIds: options.eos_token_id,
          },
          { isComplete },
        );
        expect(sequences.map(({ tokens }) => tokens)).toEqual(new_tokens);
        for (const [k, { score, tokens, finishReason }] of sequences.entries()) {
          expect(Math.abs(score! - sequences_scores[k]!)).toBeLessThan(1e-3);
          const isEnd = options.eos_token_id.includes(tokens.at(-1)!) || isComplete(tokens);
          expect(finishReason).toBe(isEnd ? 'stop' : 'length');
        }
      }
    } finally {
      await model.dispose();
    }
  });

  it('finds the likeliest texts when there are as many beams as texts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 3 }), async (seed, maxNewTokens) => {
        const model = new FakeModel({ columns: 4, seed });
        const numBeams = 4 ** maxNewTokens;
        const sequences = await generate(model, [1, 2], { maxNewTokens, numBeams, numReturnSequences: numBeams });
        const all = everyText(model, [1, 2], maxNewTokens).sort((a, b) => b.logProbability - a.logProbability);
        expect(sequences.map(({ tokens }) => tokens)).toEqual(all.map(({ tokens }) => tokens));
        for (const [k, { logProbability, score }] of sequences.entries()) {
          expect(logProbability).toBeCloseTo(all[k]!.logProbability, 5);
          expect(score).toBeCloseTo(all[k]!.logProbability / maxNewTokens, 5);
        }
        expect(model.openCaches).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('never chooses padding rows, whose probability still counts', async () => {
    const model = new FakeModel({ columns: 6, vocabularySize: 4, logitsAfter: () => [1, 2, 0, 0, 9, 9] });
    const [best] = await generate(model, [0], { maxNewTokens: 2, numBeams: 2 });
    expect(best!.tokens).toEqual([1, 1]);
    expect(best!.logProbability).toBeCloseTo(2 * (2 - logSumExp(Float32Array.of(1, 2, 0, 0, 9, 9))), 5);
  });

  it('says so when the options leave fewer sequences than asked for', async () => {
    const model = new FakeModel({ columns: 4 });
    const options = { maxNewTokens: 1, numBeams: 4, numReturnSequences: 4, suppressTokens: [0, 1] };
    await expect(generate(model, [0], options)).rejects.toMatchObject({ code: 'no-token-left', exitCode: 2 });
    expect(model.openCaches).toBe(0);
  });
});

function everyText(model: FakeModel, prompt: number[], length: number): { tokens: number[]; logProbability: number }[] {
  if (length === 0) return [{ tokens: [], logProbability: 0 }];
  const logits = model.logitsAfter(prompt);
  const total = logSumExp(logits);
  return [...logits.keys()].flatMap((id) =>
    everyText(model, [...prompt, id], length - 1).map(({ tokens, logProbability }) => ({
      tokens: [id, ...tokens],
      logProbability: logProbability + logits[id]! - total,
    })),
  );
}
