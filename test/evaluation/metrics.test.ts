import { describe, expect, it } from 'vitest';
import {
  confusionMatrix,
  countCorrect,
  expectedCalibrationError,
  findNearTies,
  majorityBaseline,
  scoreLabels,
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

  it('measures calibration in fifteen equal bins', () => {
    // Bin (13/15, 14/15]: two at 0.9, one right: |1 − 1.8| = 0.8; bin (8/15, 9/15]: two at 0.6, both right: |2 − 1.2| = 0.8
    expect(expectedCalibrationError([0.9, 0.9, 0.6, 0.6], [true, false, true, true])).toBeCloseTo(1.6 / 4, 12);
    expect(expectedCalibrationError([1, 1], [true, true])).toBe(0);
    // The upper edge belongs to the bin: with two bins 0.5 and 0.4 share one, 0.6 has the other.
    expect(expectedCalibrationError([0.5, 0.4, 0.6], [true, false, true], 2)).toBeCloseTo((0.1 + 0.4) / 3, 12);
  });

  it('lists examples whose best two logits nearly tie', () => {
    expect(findNearTies([Float32Array.of(1, 1.0005, -3), Float32Array.of(0, 1, 2), Float32Array.of(2, -1, 2)])).toEqual(
      [
        { index: 0, best: [1, 0], gap: expect.closeTo(0.0005, 6) },
        { index: 2, best: [0, 2], gap: 0 },
      ],
    );
  });
});
