import { describe, expect, it } from 'vitest';
import { crossEntropy, headLogits, regressionOn } from '../../../src/evaluation/probe/logistic-regression.ts';
import { softmax } from '../../../src/tensor/math.ts';

const [ROWS, SIZE, CLASSES] = [41, 5, 3];
const features = Float32Array.from({ length: ROWS * SIZE }, (_, k) => {
  const [r, i] = [Math.floor(k / SIZE), k % SIZE];
  return Math.sin(1 + r * 3.7 + i * 1.3) * (i + 1) + i;
});
const labels = Int32Array.from({ length: ROWS }, (_, r) =>
  r % 5 ? Math.min(2, Math.floor((3 * (Math.sin(1 + r * 3.7) + 1)) / 2)) : r % 3,
);
const data = { features, size: SIZE, labels };

/**
 * PyTorch 2.13.0, float64, torch.optim.LBFGS to a gradient of 1e-8: probabilities of rows 0 and 40, and the mean
 * cross-entropy, over features standardised by the population's deviation.
 */
const REFERENCE = [
  { l2: 0.1, first: [0.05395, 0.12599, 0.82007], last: [0.69098, 0.26067, 0.04835], loss: 0.731793 },
  { l2: 0.001, first: [0.02173, 0.0969, 0.88137], last: [0.74909, 0.23327, 0.01765], loss: 0.7165536 },
];

describe('logistic regression', () => {
  it.each(REFERENCE)('with L2 $l2 ends where PyTorch does, from any start', async ({ l2, first, last, loss }) => {
    const fresh = await regressionOn(data, CLASSES).fit(l2);
    const regression = regressionOn(data, CLASSES);
    await regression.fit(10);
    for (const head of [fresh, await regression.fit(l2)]) {
      const logits = headLogits(head, features);
      expect(crossEntropy(logits, labels)).toBeCloseTo(loss, 5);
      for (const [row, expected] of [
        [0, first],
        [ROWS - 1, last],
      ] as const) {
        const found = softmax(Float32Array.from(logits.subarray(row * CLASSES, (row + 1) * CLASSES)));
        for (const [c, probability] of found.entries()) expect(Math.abs(probability - expected[c]!)).toBeLessThan(2e-4);
      }
    }
  });

  it('fits chosen rows only, a feature that never changes, and any number of rows', async () => {
    const constant = Float32Array.from(features, (value, k) => (k % SIZE === 2 ? 7 : value));
    for (const count of [6, 7, 8, 9]) {
      const rows = Array.from({ length: count }, (_, i) => i * 4);
      const head = await regressionOn({ ...data, features: constant }, CLASSES, rows).fit(0.1);
      expect(head.weights.every(Number.isFinite)).toBe(true);
      expect(Math.abs(head.weights[2]!)).toBeLessThan(1e-15);
      const own = Int32Array.from(rows, (r) => labels[r]!);
      const copied = new Float32Array(rows.flatMap((r) => [...constant.subarray(r * SIZE, (r + 1) * SIZE)]));
      expect(await regressionOn({ features: copied, size: SIZE, labels: own }, CLASSES).fit(0.1)).toEqual(head);
    }
  });

  it('stops for a signal', async () => {
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(regressionOn(data, CLASSES).fit(0.1, signal)).rejects.toThrow('stopped');
  });
});
