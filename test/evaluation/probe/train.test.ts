import { describe, expect, it } from 'vitest';
import { headLogits } from '../../../src/evaluation/probe/logistic-regression.ts';
import { type TrainingSet, trainProbe } from '../../../src/evaluation/probe/train.ts';

const SIZE = 6;

/** Two classes that differ in the first feature; the others are noise. `shift` makes other rows of the same kind. */
function rows(count: number, shift = 0): TrainingSet {
  const labels = Int32Array.from({ length: count }, (_, r) => r % 2);
  const features = Float32Array.from({ length: count * SIZE }, (_, k) => {
    const r = Math.floor(k / SIZE) + shift;
    return (
      Math.sin(12.9898 * (k + 1) + 78.233 * r) + (k % SIZE === 0 ? 1.2 * (labels[Math.floor(k / SIZE)]! - 0.5) : 0)
    );
  });
  return { features, size: SIZE, labels, variants: 1 };
}

const correct = (set: TrainingSet, logits: Float64Array): number =>
  set.labels.filter((label, r) => Number(logits[2 * r + 1]! > logits[2 * r]!) === label).length;

describe('a probe', () => {
  it('learns what is there to learn, the same each time, and tries no weaker penalty than it must', async () => {
    const train = rows(200);
    const probe = await trainProbe({ train, classes: 2, seed: 0 });
    expect(correct(rows(100, 1000), headLogits(probe.head, rows(100, 1000).features))).toBeGreaterThan(65);
    expect(probe).toMatchObject({ fitted: 160, heldOut: 40 });
    expect(probe.path.find(({ l2 }) => l2 === probe.l2)!.loss).toBe(Math.min(...probe.path.map(({ loss }) => loss)));
    expect(probe.path.length).toBeLessThan(15);
    expect(await trainProbe({ train, classes: 2, seed: 0 })).toEqual(probe);
    expect((await trainProbe({ train, classes: 2, seed: 1 })).path).not.toEqual(probe.path);
  });

  it('is judged on the validation rows when there are any, and does not learn them', async () => {
    const [train, validation] = [rows(32), rows(32, 500)];
    const probe = await trainProbe({ train, validation, classes: 2, seed: 0 });
    expect(probe).toMatchObject({ fitted: 32, heldOut: 32 });
    expect((await trainProbe({ train, validation, classes: 2, seed: 9 })).head).toEqual(probe.head);
  });

  it('keeps the vectors of one example together', async () => {
    const train = { ...rows(84), variants: 7 };
    expect(await trainProbe({ train, classes: 2, seed: 0 })).toMatchObject({ fitted: 10, heldOut: 2 });
  });

  it('needs two labels, and rows to hold out', async () => {
    const one = { ...rows(20), labels: new Int32Array(20) };
    await expect(trainProbe({ train: one, classes: 2, seed: 0 })).rejects.toMatchObject({ code: 'too-few-labels' });
    await expect(trainProbe({ train: rows(4), classes: 2, seed: 0 })).rejects.toMatchObject({ code: 'too-few-rows' });
  });
});
