/**
 * Chooses and trains a probe: fits along a path of penalties from strong to weak, judges each on examples that were held
 * out, stops where their loss keeps rising, and (where the held-out ones are the train split's own) fits once more on all.
 */
import { UsageError } from '../../util/errors.ts';
import { sampleRows } from '../sample.ts';
import {
  crossEntropy,
  headLogits,
  type LabelledFeatures,
  type LinearHead,
  regressionOn,
} from './logistic-regression.ts';

/** Half decades: features are standardised and the loss is a mean, so the same path suits every model and size. */
export const L2_PATH: readonly number[] = Array.from({ length: 13 }, (_, i) =>
  Number((10 ** (1 - i / 2)).toPrecision(3)),
);
/** So many penalties in a row that are worse than the best: weaker ones only fit noise. */
const PATIENCE = 2;

/** Of the train split, held out to choose the penalty by. */
export const HELD_OUT_SHARE = 0.2;
/** More tell nothing new. */
const MAX_HELD_OUT = 10_000;

/** Examples with their vectors. With candidates, an example has a vector and a label (1 = right) for each. */
export interface TrainingSet extends LabelledFeatures {
  /** Vectors per example. */
  readonly variants: number;
}

export interface TrainProbeOptions {
  readonly train: TrainingSet;
  /** Examples to choose the penalty by. @default a seeded fifth of `train`, which is then trained on as well */
  readonly validation?: TrainingSet | undefined;
  readonly classes: number;
  /** Seed of that fifth. */
  readonly seed: number;
  /** Penalties tried so far, and how many there are at most. */
  readonly onStep?: ((tried: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One penalty that was tried. */
export interface ProbeStep {
  readonly l2: number;
  /** Cross-entropy of the held-out vectors. */
  readonly loss: number;
}

export interface TrainedProbe {
  readonly head: LinearHead;
  readonly l2: number;
  /** The penalties tried, in order. */
  readonly path: readonly ProbeStep[];
  /** Examples trained on and held out while the penalty was chosen. */
  readonly fitted: number;
  readonly heldOut: number;
}

/** Throws UsageError when there is too little to learn from. */
export async function trainProbe(options: TrainProbeOptions): Promise<TrainedProbe> {
  const { train, validation, classes, seed, onStep, signal } = options;
  requireClasses(train);
  const [fitRows, heldRows] = validation ? [allRows(train), allRows(validation)] : split(train, seed);
  const held = pick(validation ?? train, heldRows);
  const regression = regressionOn(train, classes, fitRows);
  const path: ProbeStep[] = [];
  let best: { head: LinearHead; step: ProbeStep } | undefined;
  let worse = 0;
  for (const l2 of L2_PATH) {
    const head = await regression.fit(l2, signal);
    const step = { l2, loss: crossEntropy(headLogits(head, held.features), held.labels) };
    path.push(step);
    onStep?.(path.length, L2_PATH.length);
    if (!best || step.loss < best.step.loss) [best, worse] = [{ head, step }, 0];
    else if (++worse === PATIENCE) break;
  }
  const { l2 } = best!.step;
  return {
    head: validation ? best!.head : await regressionOn(train, classes).fit(l2, signal),
    l2,
    path,
    fitted: fitRows.length / train.variants,
    heldOut: heldRows.length / train.variants,
  };
}

// --- internal ---

function requireClasses({ labels, variants }: TrainingSet): void {
  if (new Set(labels).size < 2)
    throw new UsageError(
      `the training rows have ${new Set(labels).size} label: a probe needs rows of two labels at least`,
      {
        code: 'too-few-labels',
        hint: 'train on more rows (--train-limit), or on another split (--train-split)',
      },
    );
  if (labels.length / variants < 5)
    throw new UsageError(`${labels.length / variants} training rows: too few to hold some out`, {
      code: 'too-few-rows',
    });
}

const allRows = ({ labels }: TrainingSet): number[] => Array.from(labels, (_, r) => r);

/** Rows to fit and rows to hold out; an example's vectors stay together. */
function split({ labels, variants }: TrainingSet, seed: number): [number[], number[]] {
  const examples = Array.from({ length: labels.length / variants }, (_, i) => i);
  const count = Math.min(MAX_HELD_OUT, Math.max(1, Math.round(examples.length * HELD_OUT_SHARE)));
  const held = new Set(sampleRows(examples, count, seed));
  const rowsOf = (wanted: boolean): number[] =>
    examples
      .filter((example) => held.has(example) === wanted)
      .flatMap((example) => Array.from({ length: variants }, (_, v) => example * variants + v));
  return [rowsOf(false), rowsOf(true)];
}

function pick({ features, labels, size }: LabelledFeatures, rows: readonly number[]): LabelledFeatures {
  const chosen = new Float32Array(rows.length * size);
  for (const [i, r] of rows.entries()) chosen.set(features.subarray(r * size, (r + 1) * size), i * size);
  return { features: chosen, size, labels: Int32Array.from(rows, (r) => labels[r]!) };
}
