/** The loop over fake models: speculation changes nothing, rows share a prompt, ends and interruptions. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generate } from '../../src/generation/generate.ts';
import type { GenerationOptions } from '../../src/generation/options.ts';
import { logSumExp } from '../../src/tensor/math.ts';
import { FakeModel } from './fake-model.ts';

const prompts = fc.array(fc.nat(7), { minLength: 1, maxLength: 10 });
const options: fc.Arbitrary<GenerationOptions> = fc.record(
  {
    maxNewTokens: fc.integer({ min: 1, max: 60 }),
    repetitionPenalty: fc.constantFrom(1, 1.3, 0.8),
    noRepeatNgramSize: fc.constantFrom(0, 4, 6),
    badWordsIds: fc.constantFrom([], [[3], [1, 2]]),
    suppressTokens: fc.constantFrom([], [5]),
    eosTokenIds: fc.constantFrom([], [4], [0, 4]),
    minNewTokens: fc.constantFrom(0, 1),
  },
  { requiredKeys: ['maxNewTokens'] },
);

describe('greedy search', () => {
  it('gives the same tokens with and without prompt lookup, in no more steps', async () => {
    let [plainSteps, guessedSteps] = [0, 0];
    await fc.assert(
      fc.asyncProperty(prompts, options, fc.nat(), fc.constantFrom(1, 2, 3), async (prompt, given, seed, order) => {
        const plainModel = new FakeModel({ columns: 8, seed, order, maxLength: 64 });
        const model = new FakeModel({ columns: 8, seed, order, maxLength: 64 });
        const plain = await generate(plainModel, prompt, { ...given, promptLookup: false });
        expect(await generate(model, prompt, { ...given, promptLookup: true })).toEqual(plain);
        expect(model.steps).toBeLessThanOrEqual(plainModel.steps);
        expect([plainModel.openCaches, model.openCaches]).toEqual([0, 0]);
        plainSteps += plainModel.steps;
        guessedSteps += model.steps;
      }),
      { numRuns: 200 },
    );
    expect(guessedSteps).toBeLessThan(0.85 * plainSteps);
  });

  it('is the likeliest token, step by step', async () => {
    await fc.assert(
      fc.asyncProperty(prompts, fc.nat(), async (prompt, seed) => {
        const model = new FakeModel({ columns: 8, seed });
        const ids = [...prompt];
        let logProbability = 0;
        for (let i = 0; i < 12; i++) {
          const logits = model.logitsAfter(ids);
          const id = logits.indexOf(Math.max(...logits));
          logProbability += logits[id]! - logSumExp(logits);
          ids.push(id);
        }
        const [sequence] = await generate(model, prompt, { maxNewTokens: 12 });
        expect(sequence!.tokens).toEqual(ids.slice(prompt.length));
        expect(sequence!.logProbability).toBeCloseTo(logProbability, 9);
        expect(sequence!.finishReason).toBe('length');
      }),
    );
  });

  it('ends with the end token, and with a complete text', async () => {
    const count = new FakeModel({ columns: 12, logitsAfter: (ids) => oneHot(12, (ids.at(-1)! + 1) % 12) });
    const [byToken] = await generate(count, [0], { eosTokenIds: [5] });
    expect(byToken).toMatchObject({ tokens: [1, 2, 3, 4, 5], finishReason: 'stop' });
    const asked: number[] = [];
    const shouldStop = (_sequence: number, tokens: readonly number[]): boolean => {
      asked.push(tokens.length);
      return tokens.at(-1) === 3;
    };
    const [byText] = await generate(count, [0], { eosTokenIds: [5] }, { shouldStop });
    expect(byText).toMatchObject({ tokens: [1, 2, 3], finishReason: 'stop' });
    expect(asked).toEqual([1, 2, 3]);
  });

  it('asks and reports once per token, also when tokens are guessed', async () => {
    const loop = new FakeModel({ columns: 4, logitsAfter: (ids) => oneHot(4, (ids.at(-1)! + 1) % 4) });
    const asked: number[] = [];
    const told: number[] = [];
    const [sequence] = await generate(
      loop,
      [0, 1, 2, 3],
      { maxNewTokens: 30 },
      {
        shouldStop: (_sequence, tokens) => asked.push(tokens.length) < 0,
        onToken: ({ id }) => told.push(id),
      },
    );
    expect(asked).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(told).toEqual(sequence!.tokens);
    expect(loop.steps).toBeLessThan(10);
  });

  it('ends by length where the context is full', async () => {
    const [sequence] = await generate(new FakeModel({ maxLength: 10 }), [1, 2, 3], { maxNewTokens: 50 });
    expect(sequence).toMatchObject({ finishReason: 'length' });
    expect(sequence!.tokens).toHaveLength(7);
  });

  it('never chooses padding rows, whose probability still counts', async () => {
    const model = new FakeModel({ columns: 4, vocabularySize: 2, logitsAfter: () => [0, 1, 5, 5] });
    const [sequence] = await generate(model, [0], { maxNewTokens: 1 });
    expect(sequence!.tokens).toEqual([1]);
    expect(sequence!.logProbability).toBeCloseTo(1 - logSumExp(Float32Array.of(0, 1, 5, 5)), 9);
  });
});

describe('sampling', () => {
  it('gives the same text for the same seed, and others for others', async () => {
    const run = async (seed: number) =>
      (await generate(new FakeModel(), [1, 2], { seed, maxNewTokens: 20 }))[0]!.tokens.join();
    expect(await run(5)).toBe(await run(5));
    expect(new Set(await Promise.all([1, 2, 3, 4, 5].map(run))).size).toBe(5);
  });

  it('draws several sequences from one reading of the prompt, each to its own end', async () => {
    const model = new FakeModel({ columns: 6, order: 3 });
    const sequences = await generate(model, [1, 2, 3], {
      seed: 9,
      numReturnSequences: 8,
      maxNewTokens: 12,
      eosTokenIds: [0],
    });
    expect(sequences).toHaveLength(8);
    expect(new Set(sequences.map(({ tokens }) => tokens.length)).size).toBeGreaterThan(2);
    for (const { tokens, finishReason, logProbability } of sequences) {
      const end = tokens.indexOf(0);
      expect(finishReason).toBe(end >= 0 ? 'stop' : 'length');
      expect(tokens).toHaveLength(end >= 0 ? end + 1 : 12);
      let expected = 0;
      for (const [t, id] of tokens.entries()) {
        const logits = model.logitsAfter([1, 2, 3, ...tokens.slice(0, t)]);
        expected += logits[id]! - logSumExp(logits);
      }
      expect(logProbability).toBeCloseTo(expected, 9);
    }
    expect(model.steps).toBe(Math.max(...sequences.map(({ tokens }) => tokens.length)));
  });

  it('draws only what the warpers keep', async () => {
    const model = new FakeModel({ columns: 5, logitsAfter: () => [1, 5, 4.9, 0, 2] });
    const [sequence] = await generate(model, [0], { topK: 2, seed: 1, maxNewTokens: 50 });
    expect([...new Set(sequence!.tokens)].sort()).toEqual([1, 2]);
  });
});

describe('what cannot be generated', () => {
  it.each<[string, number[], GenerationOptions, string, number]>([
    ['an empty prompt', [], {}, 'empty-prompt', 2],
    ['a prompt that fills the context', [1, 2, 3, 4], {}, 'context-overflow', 2],
    ['more tokens at least than the context has room for', [1, 2], { minNewTokens: 3 }, 'context-overflow', 2],
    ['an id outside the vocabulary', [12], {}, 'bad-token-id', 2],
    ['a fraction as id', [0.5], {}, 'bad-token-id', 2],
    ['an end token outside the vocabulary', [1], { eosTokenIds: [12] }, 'bad-token-id', 2],
    ['a bad word outside the vocabulary', [1], { badWordsIds: [[1, 99]] }, 'bad-token-id', 2],
    ['every token forbidden', [1], { suppressTokens: Array.from({ length: 12 }, (_, id) => id) }, 'no-token-left', 2],
    [
      'every token forbidden when sampling',
      [1],
      { seed: 1, noRepeatNgramSize: 1, suppressTokens: [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] },
      'no-token-left',
      2,
    ],
  ])('is refused: %s', async (_name, prompt, given, code, exitCode) => {
    const model = new FakeModel({ maxLength: 4 });
    await expect(generate(model, prompt, given)).rejects.toMatchObject({ code, exitCode });
    expect(model.openCaches).toBe(0);
  });

  it.each([{}, { seed: 1 }, { numBeams: 2 }])('is told: logits that are not numbers, with %j', async (given) => {
    const model = new FakeModel({ columns: 3, logitsAfter: () => [0, Number.NaN, 1] });
    await expect(generate(model, [1], given)).rejects.toMatchObject({ code: 'logits-not-finite', exitCode: 9 });
    expect(model.openCaches).toBe(0);
  });
});

describe('prompt lookup', () => {
  it.each([
    [{ readsChunksExactly: true }, {}, true],
    [{ readsChunksExactly: false }, {}, false],
    [{ readsChunksExactly: false }, { promptLookup: true }, true],
    [{ readsChunksExactly: true }, { promptLookup: false }, false],
  ])('of %j with %j: %s', async (kind, given, isUsed) => {
    const loop = (ids: readonly number[]): number[] => oneHot(4, (ids.at(-1)! + 1) % 4);
    const model = new FakeModel({ ...kind, columns: 4, logitsAfter: loop });
    await generate(model, [0, 1, 2, 3, 0, 1, 2, 3], { ...given, maxNewTokens: 30 });
    expect(model.steps < 30).toBe(isUsed);
  });
});

describe('an interruption', () => {
  it.each<GenerationOptions>([
    { promptLookup: false },
    { promptLookup: true },
    { seed: 1, numReturnSequences: 3 },
    { numBeams: 3 },
  ])('ends the loop within a step and frees the cache: %j', async (given) => {
    const controller = new AbortController();
    let steps = 0;
    const model = new FakeModel({
      order: 5,
      onStep: () => {
        if (++steps === 3) controller.abort(new Error('enough'));
      },
    });
    const running = generate(model, [1, 2], { ...given, maxNewTokens: 100 }, { signal: controller.signal });
    await expect(running).rejects.toThrow('enough');
    expect(steps).toBe(3);
    expect(model.openCaches).toBe(0);
  });
});

function oneHot(size: number, id: number): number[] {
  return Array.from({ length: size }, (_, i) => (i === id ? 5 : 0));
}
