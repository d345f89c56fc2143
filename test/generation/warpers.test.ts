/** Distributions after the sampling options are those of transformers. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { penalizeRepetition } from '../../src/generation/logits-processors.ts';
import { keepMinP, keepTopK, keepTopP, keepTypical, makeWarpers } from '../../src/generation/logits-warpers.ts';
import { normalizeOptions } from '../../src/generation/options.ts';
import { softmax } from '../../src/tensor/math.ts';
import { sharedSet } from '../helpers/shared.ts';

interface Vector {
  readonly logits: number[];
  readonly previous_ids: number[];
  readonly sets: readonly {
    readonly parameters: Readonly<Record<string, number>>;
    readonly kept: number;
    readonly ids?: number[];
    readonly probabilities: number[];
  }[];
}

const NEVER = Number.NEGATIVE_INFINITY;
const kept = (logits: Float32Array): number[] => [...logits.keys()].filter((i) => logits[i] !== NEVER);
const logits = (): Float32Array => Float32Array.of(2, 1, 0, -1, 3);

describe('warpers', () => {
  it('keep the k largest and what equals the smallest of them', () => {
    const values = Float32Array.of(1, 2, 2, 3);
    keepTopK(2)(values);
    expect(kept(values)).toEqual([1, 2, 3]);
  });

  it('keep the smallest set with more than the mass p, and never nothing', () => {
    const values = logits();
    keepTopP(0.7)(values);
    expect(kept(values)).toEqual([0, 4]);
    const single = logits();
    keepTopP(1e-9)(single);
    expect(kept(single)).toEqual([4]);
  });

  it('keep tokens near the likeliest', () => {
    const values = logits();
    keepMinP(0.2)(values);
    expect(kept(values)).toEqual([0, 4]);
  });

  it('keep typical tokens, at least one', () => {
    const values = logits();
    keepTypical(1e-9)(values);
    expect(kept(values)).toHaveLength(1);
  });
});

const shared = sharedSet('golden/generation');
const file = shared === undefined ? undefined : path.join(shared, 'samplers.json');
const vectors: Vector[] = file !== undefined && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).vectors : [];

describe.skipIf(vectors.length === 0)('distributions', () => {
  it.each(vectors.map((vector, i) => [i, vector] as const))('of vector %i are those of transformers', (_i, vector) => {
    for (const { parameters, ids, probabilities } of vector.sets) {
      const values = Float32Array.from(vector.logits);
      const settings = normalizeOptions({
        temperature: parameters.temperature,
        topK: parameters.top_k,
        topP: parameters.top_p,
        minP: parameters.min_p,
        typicalP: parameters.typical_p,
      });
      if (parameters.repetition_penalty !== undefined)
        penalizeRepetition(parameters.repetition_penalty)(values, { ids: vector.previous_ids, promptLength: 0 });
      for (const warp of makeWarpers(settings)) warp(values);
      const expectedIds = ids ?? [...values.keys()];
      expect({ parameters, kept: kept(values) }).toEqual({ parameters, kept: expectedIds });
      const result = softmax(values);
      for (const [k, id] of expectedIds.entries()) expect(Math.abs(result[id]! - probabilities[k]!)).toBeLessThan(1e-6);
    }
  });
});
