import { describe, expect, it } from 'vitest';
import {
  argmax,
  confusionMatrix,
  countCorrect,
  expectedCalibrationError,
  findNearTies,
  majorityBaseline,
  scoreLabels,
  softmax,
} from '../../src/evaluation/metrics.ts';

// Three labels, ten examples: worked out by hand.
const expected = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2];
const predicted = [0, 0, 0, 1, 1, 1, 0, 1, 0, 0];

describe('metrics', () => {
  it('counts right answers', () => {
    expect(countCorrect(expected, predicted)).toBe(5);
  });

  it('counts label i given label j in row i, column j', () => {
    expect(confusionMatrix(expected, predicted, 3)).toEqual([
      [3, 1, 0],
      [1, 2, 0],
      [2, 1, 0],
    ]);
  });

  it('gives precision, recall and F1 per label, null for 0/0', () => {
    expect(scoreLabels(confusionMatrix(expected, predicted, 3), ['a', 'b', 'c'])).toEqual([
      { label: 'a', support: 4, predicted: 6, precision: 0.5, recall: 0.75, f1: 0.6 },
      { label: 'b', support: 3, predicted: 4, precision: 0.5, recall: 2 / 3, f1: 4 / 7 },
      { label: 'c', support: 3, predicted: 0, precision: null, recall: 0, f1: 0 },
    ]);
    expect(scoreLabels([[0]], ['a'])[0]).toMatchObject({ precision: null, recall: null, f1: null });
  });

  it('takes the most frequent label as the majority, the first of equals', () => {
    expect(majorityBaseline(expected, 3)).toEqual({ label: 0, accuracy: 0.4 });
    expect(majorityBaseline([1, 0], 2)).toEqual({ label: 0, accuracy: 0.5 });
  });

  it('takes the first of equal logits', () => {
    expect(argmax([1, 3, 3])).toBe(1);
    expect(argmax([-2])).toBe(0);
  });

  it('turns logits into probabilities without overflow', () => {
    expect(Array.from(softmax([Math.log(1), Math.log(3)]))).toEqual([
      expect.closeTo(0.25, 12),
      expect.closeTo(0.75, 12),
    ]);
    expect(Array.from(softmax([1000, 1000]))).toEqual([0.5, 0.5]);
    expect(Array.from(softmax([-1000, -1000 + Math.log(3)]))[1]).toBeCloseTo(0.75, 9);
  });

  it('measures calibration in fifteen equal bins', () => {
    // Bin (13/15, 14/15]: two at 0.9, one right: |1 − 1.8| = 0.8; bin (8/15, 9/15]: two at 0.6, both right: |2 − 1.2| = 0.8
    expect(expectedCalibrationError([0.9, 0.9, 0.6, 0.6], [true, false, true, true])).toBeCloseTo(1.6 / 4, 12);
    expect(expectedCalibrationError([1, 1], [true, true])).toBe(0);
    // The upper edge belongs to the bin: with two bins 0.5 and 0.4 share one, 0.6 has the other.
    expect(expectedCalibrationError([0.5, 0.4, 0.6], [true, false, true], 2)).toBeCloseTo((0.1 + 0.4) / 3, 12);
  });

  it('lists examples whose best two logits nearly tie', () => {
    expect(
      findNearTies([
        [1, 1.0005, -3],
        [0, 1, 2],
        [2, -1, 2],
      ]),
    ).toEqual([
      { index: 0, best: [1, 0], gap: expect.closeTo(0.0005, 9) },
      { index: 2, best: [0, 2], gap: 0 },
    ]);
  });
});
