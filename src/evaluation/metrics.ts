/** Metrics over a classifier's answers. Labels are indices into the task's labels; `expected` and `predicted` run in step. */

import { topK } from '../tensor/math.ts';

/** Bins of the calibration error, as in Guo et al. 2017. */
const CALIBRATION_BINS = 15;

/** A smaller distance between the best two logits than this may turn with rounding: either answer will do. */
export const NEAR_TIE_GAP = 1e-3;

/** Precision and recall are null where they are 0/0: nothing predicted, or no such example. */
export interface LabelScore {
  readonly label: string;
  /** Examples that have this label. */
  readonly support: number;
  /** Examples that were given this label. */
  readonly predicted: number;
  readonly precision: number | null;
  readonly recall: number | null;
  readonly f1: number | null;
}

export interface NearTie {
  /** Index of the example, from 0. */
  readonly index: number;
  /** The best two labels' indices, better one first. */
  readonly best: readonly [number, number];
  /** Distance of their logits. */
  readonly gap: number;
}

/** How many answers are right. */
export function countCorrect(expected: readonly number[], predicted: readonly number[]): number {
  return expected.reduce((count, label, i) => count + (label === predicted[i] ? 1 : 0), 0);
}

/** counts[i][j]: examples of label i that were given label j. */
export function confusionMatrix(
  expected: readonly number[],
  predicted: readonly number[],
  labelCount: number,
): number[][] {
  const counts = Array.from({ length: labelCount }, () => new Array<number>(labelCount).fill(0));
  for (const [i, label] of expected.entries()) counts[label]![predicted[i]!]! += 1;
  return counts;
}

/** Precision, recall and F1 = 2·TP / (2·TP + FP + FN) of each label, from a confusion matrix. */
export function scoreLabels(confusion: readonly (readonly number[])[], labels: readonly string[]): LabelScore[] {
  return labels.map((label, i) => {
    const right = confusion[i]![i]!;
    const support = sum(confusion[i]!);
    const predicted = sum(confusion.map((row) => row[i]!));
    return {
      label,
      support,
      predicted,
      precision: ratio(right, predicted),
      recall: ratio(right, support),
      f1: ratio(2 * right, support + predicted),
    };
  });
}

/** The most frequent label and its share: what always giving one answer scores. */
export function majorityBaseline(
  expected: readonly number[],
  labelCount: number,
): { readonly label: number; readonly accuracy: number } {
  const counts = new Array<number>(labelCount).fill(0);
  for (const label of expected) counts[label]! += 1;
  const most = Math.max(...counts);
  return { label: counts.indexOf(most), accuracy: most / expected.length };
}

/**
 * Expected calibration error: examples in equal bins (k/15, (k+1)/15] of the probability of their answer; the mean
 * over bins, weighted by size, of |share right − mean probability|. Guo et al. 2017, "On Calibration of Modern Neural
 * Networks", equation 3. 0 is perfect.
 */
export function expectedCalibrationError(
  confidences: readonly number[],
  isCorrect: readonly boolean[],
  bins = CALIBRATION_BINS,
): number {
  const right = new Float64Array(bins);
  const confidence = new Float64Array(bins);
  for (const [i, p] of confidences.entries()) {
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(p * bins) - 1));
    right[bin]! += isCorrect[i] ? 1 : 0;
    confidence[bin]! += p;
  }
  // n_b / N · |right_b / n_b − confidence_b / n_b| = |right_b − confidence_b| / N
  return sum(right.map((count, bin) => Math.abs(count - confidence[bin]!))) / confidences.length;
}

/** The examples whose best two logits lie closer together than `gap`. */
export function findNearTies(logits: readonly Float32Array[], gap = NEAR_TIE_GAP): NearTie[] {
  return logits.flatMap((row, index) => {
    const [first, second] = topK(row, 2) as [number, number]; // every task has two labels or more
    const distance = row[first]! - row[second]!;
    return distance < gap ? [{ index, best: [first, second] as const, gap: distance }] : [];
  });
}

const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);

const sum = (values: ArrayLike<number>): number => {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
};
