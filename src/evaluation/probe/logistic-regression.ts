/**
 * Multinomial logistic regression with an L2 penalty: mean cross-entropy + (l2 / 2)·‖W‖², the biases free. Features are
 * standardised first, so that one penalty suits all of them; the head that comes out takes features as they are.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { minimize } from './minimize.ts';

/** Multiplications between two looks at the event loop: a signal is noticed within a tenth of a second. */
const SLICE_OPERATIONS = 5e7;
/** A feature that varies less than this is a constant, and rounding must not be blown up into a signal. */
const SMALLEST_DEVIATION = 1e-6;

/** Rows of features with the index of each row's label. */
export interface LabelledFeatures {
  /** (rows, size), as the model gave them */
  readonly features: Float32Array;
  readonly size: number;
  /** One per row, from 0. */
  readonly labels: Int32Array;
}

/** logits = weights · features + bias */
export interface LinearHead {
  /** (classes, size) */
  readonly weights: Float64Array;
  readonly bias: Float64Array;
  readonly size: number;
}

/** A regression over one set of rows, which can be fitted with several penalties. */
export interface Regression {
  /** The best head for a penalty; starts from the fit before it, which makes a path of penalties cheap. */
  fit(l2: number, signal?: AbortSignal): Promise<LinearHead>;
}

/** Prepares a regression over the given rows (or all): a standardised copy of their features. */
export function regressionOn(data: LabelledFeatures, classes: number, chosen?: readonly number[]): Regression {
  const { size } = data;
  const rows = chosen ?? Array.from(data.labels, (_, r) => r);
  const labels = Int32Array.from(rows, (r) => data.labels[r]!);
  const x = new Float32Array(rows.length * size);
  for (const [i, r] of rows.entries()) x.set(data.features.subarray(r * size, (r + 1) * size), i * size);
  const { mean, deviation } = moments(x, size);
  for (let i = 0; i < x.length; i++) x[i] = (x[i]! - mean[i % size]!) / deviation[i % size]!;
  let params: Float64Array = new Float64Array(classes * (size + 1)); // a row per class: weights, then the bias
  return {
    async fit(l2, signal) {
      const problem = { x, size, labels, classes, l2, signal };
      ({ x: params } = await minimize((at, gradient) => lossAndGradient(problem, at, gradient), params));
      return unstandardised(params, classes, mean, deviation);
    },
  };
}

/** Logits of each row: (rows, classes). */
export function headLogits(head: LinearHead, features: Float32Array): Float64Array {
  const { weights, bias, size } = head;
  const classes = bias.length;
  const rows = features.length / size;
  const logits = new Float64Array(rows * classes);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < classes; c++) {
      let sum = bias[c]!;
      for (let i = 0; i < size; i++) sum += weights[c * size + i]! * features[r * size + i]!;
      logits[r * classes + c] = sum;
    }
  return logits;
}

/** Mean −ln softmax(logits)[label] over rows. */
export function crossEntropy(logits: Float64Array, labels: Int32Array): number {
  const classes = logits.length / labels.length;
  let total = 0;
  for (const [r, label] of labels.entries()) {
    const row = logits.subarray(r * classes, (r + 1) * classes);
    total += logSum(row) - row[label]!;
  }
  return total / labels.length;
}

// --- internal ---

interface Problem {
  /** (rows, size), standardised */
  readonly x: Float32Array;
  readonly size: number;
  readonly labels: Int32Array;
  readonly classes: number;
  readonly l2: number;
  readonly signal: AbortSignal | undefined;
}

async function lossAndGradient(problem: Problem, params: Float64Array, gradient: Float64Array): Promise<number> {
  const { x, size, labels, classes, l2, signal } = problem;
  const rows = labels.length;
  const stride = size + 1;
  const slice = Math.max(1, Math.floor(SLICE_OPERATIONS / (2 * size * classes)));
  const scores = new Float64Array(classes);
  gradient.fill(0);
  let loss = 0;
  for (let r = 0; r < rows; r++) {
    if (r % slice === 0) {
      await nextTurn();
      signal?.throwIfAborted();
    }
    const at = r * size;
    for (let c = 0; c < classes; c++) scores[c] = rowScore(x, at, params, c * stride, size);
    const total = logSum(scores);
    loss += total - scores[labels[r]!]!;
    for (let c = 0; c < classes; c++) {
      const error = Math.exp(scores[c]! - total) - (c === labels[r] ? 1 : 0);
      const start = c * stride;
      for (let i = 0; i < size; i++) gradient[start + i]! += error * x[at + i]!;
      gradient[start + size]! += error;
    }
  }
  let penalty = 0;
  for (let c = 0; c < classes; c++)
    for (let i = 0; i <= size; i++) {
      const k = c * stride + i;
      gradient[k]! /= rows;
      if (i === size) continue; // biases are free
      gradient[k]! += l2 * params[k]!;
      penalty += params[k]! ** 2;
    }
  return loss / rows + (l2 / 2) * penalty;
}

/** x[at…] · params[start…] + bias, in four sums that do not wait for one another. */
function rowScore(x: Float32Array, at: number, params: Float64Array, start: number, size: number): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 3 < size; i += 4) {
    a += x[at + i]! * params[start + i]!;
    b += x[at + i + 1]! * params[start + i + 1]!;
    c += x[at + i + 2]! * params[start + i + 2]!;
    d += x[at + i + 3]! * params[start + i + 3]!;
  }
  for (; i < size; i++) a += x[at + i]! * params[start + i]!;
  return a + b + (c + d) + params[start + size]!;
}

function logSum(scores: Float64Array): number {
  const most = scores.reduce((a, b) => Math.max(a, b));
  let sum = 0;
  for (const score of scores) sum += Math.exp(score - most);
  return most + Math.log(sum);
}

/** Mean and standard deviation of each feature; 1 for what does not vary. */
function moments(features: Float32Array, size: number): { mean: Float64Array; deviation: Float64Array } {
  const rows = features.length / size;
  const mean = new Float64Array(size);
  for (let i = 0; i < features.length; i++) mean[i % size]! += features[i]! / rows;
  const squares = new Float64Array(size);
  for (let i = 0; i < features.length; i++) squares[i % size]! += (features[i]! - mean[i % size]!) ** 2 / rows;
  const deviation = squares.map((square) => (Math.sqrt(square) < SMALLEST_DEVIATION ? 1 : Math.sqrt(square)));
  return { mean, deviation };
}

/** w·(x − mean)/deviation + b, as weights for x itself. */
function unstandardised(
  params: Float64Array,
  classes: number,
  mean: Float64Array,
  deviation: Float64Array,
): LinearHead {
  const size = mean.length;
  const weights = new Float64Array(classes * size);
  const bias = new Float64Array(classes);
  for (let c = 0; c < classes; c++) {
    const start = c * (size + 1);
    bias[c] = params[start + size]!;
    for (let i = 0; i < size; i++) {
      const weight = params[start + i]! / deviation[i]!;
      weights[c * size + i] = weight;
      bias[c]! -= weight * mean[i]!;
    }
  }
  return { weights, bias, size };
}
