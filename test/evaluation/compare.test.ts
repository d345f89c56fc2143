import { describe, expect, it } from 'vitest';
import { comparePredictions } from '../../src/evaluation/compare.ts';
import type { Prediction } from '../../src/evaluation/predictions.ts';

const answers = (predictions: string, labels = 'aaaaaaaab'): Prediction[] =>
  [...predictions].map((prediction, id) => ({ id, label: labels[id]!, prediction, scores: [] }));

describe('comparePredictions', () => {
  it('counts who is right where, and lists the examples whose answer flipped', () => {
    const comparison = comparePredictions(answers('aabbbbbbb'), answers('baaaaaaac'));
    expect(comparison).toMatchObject({ examples: 9, bothRight: 1, onlyFirst: 2, onlySecond: 6, bothWrong: 0 });
    expect(comparison.difference).toBeCloseTo(4 / 9, 12);
    expect(comparison.pValue).toBeCloseTo((2 * (1 + 8 + 28)) / 256, 12);
    expect(comparison.flipped).toHaveLength(8);
    expect(comparison.flipped[0]).toEqual({ index: 0, id: 0, label: 'a', first: 'a', second: 'b' });
  });

  it('finds no difference between a model and itself', () => {
    expect(comparePredictions(answers('abab'), answers('abab'))).toMatchObject({
      pValue: 1,
      difference: 0,
      flipped: [],
    });
  });

  it('lists wrong answers that differ, which do not count in the test', () => {
    expect(comparePredictions(answers('x'), answers('y'))).toMatchObject({
      bothWrong: 1,
      pValue: 1,
      flipped: [{ first: 'x', second: 'y' }],
    });
  });

  it('refuses answers to other examples', () => {
    const differ = expect.objectContaining({ code: 'predictions-differ', exitCode: 2 });
    expect(() => comparePredictions(answers('a'), answers('aa'))).toThrow(differ);
    expect(() => comparePredictions(answers('a'), answers('a', 'b'))).toThrow(differ);
    expect(() => comparePredictions(answers('a'), [{ ...answers('a')[0]!, id: 7 }])).toThrow(differ);
    const unlabelled = [{ id: 0, label: null, prediction: 'a', scores: [] }];
    expect(() => comparePredictions(unlabelled, unlabelled)).toThrow(differ);
  });
});
