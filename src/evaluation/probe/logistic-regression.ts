/**
 * Multinomial logistic regression with an L2 penalty: mean cross-entropy + (l2 / 2)·‖W‖², the biases free. Features are
 * standardised first, so that one penalty suits all of them; the head that comes out takes features as they are.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { minimize } from './minimize.ts';

/** Multiplications between two looks at the event loop: a signal is noticed within a tenth of a second. */
const SLICE_OPERATIONS = 5e7;
/** Rows of a step of the inner loops: each weight and each sum is loaded once for all of them. */
const ROWS_AT_ONCE = 4;
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
  const used = rows.length * size;
  const x = new Float32Array(Math.ceil(rows.length / ROWS_AT_ONCE) * ROWS_AT_ONCE * size); // filled up with zeros
  for (const [i, r] of rows.entries()) x.set(data.features.subarray(r * size, (r + 1) * size), i * size);
  const { mean, deviation } = moments(x.subarray(0, used), size);
  for (let i = 0; i < used; i++) x[i] = (x[i]! - mean[i % size]!) / deviation[i % size]!;
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
  /** (rows, size), standardised; rows of zeros at the end make their number a multiple of ROWS_AT_ONCE */
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
  const slice = ROWS_AT_ONCE * Math.max(1, Math.floor(SLICE_OPERATIONS / (2 * ROWS_AT_ONCE * size * classes)));
  const scores = new Float64Array(ROWS_AT_ONCE * classes); // (rows, classes), then what is wrong with them
  gradient.fill(0);
  let loss = 0;
  for (let first = 0; first < rows; first += ROWS_AT_ONCE) {
    if (first % slice === 0) {
      await nextTurn();
      signal?.throwIfAborted();
    }
    for (let c = 0; c < classes; c++) addScores(x, first * size, params, c * stride, size, scores, c, classes);
    for (let k = 0; k < ROWS_AT_ONCE; k++) {
      const row = scores.subarray(k * classes, (k + 1) * classes);
      if (first + k < rows) loss += scoresToErrors(row, labels[first + k]!);
      else row.fill(0); // no row, nothing wrong
    }
    for (let c = 0; c < classes; c++) addErrors(x, first * size, gradient, c * stride, size, scores, c, classes);
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

/** scores[k, c] = x[row k] · params[start…] + bias, for ROWS_AT_ONCE rows. */
function addScores(
  x: Float32Array,
  at: number,
  params: Float64Array,
  start: number,
  size: number,
  scores: Float64Array,
  c: number,
  classes: number,
): void {
  const [r1, r2, r3] = [at + size, at + 2 * size, at + 3 * size];
  const bias = params[start + size]!;
  let [s0, s1, s2, s3] = [bias, bias, bias, bias];
  for (let i = 0; i < size; i++) {
    const weight = params[start + i]!;
    s0 += weight * x[at + i]!;
    s1 += weight * x[r1 + i]!;
    s2 += weight * x[r2 + i]!;
    s3 += weight * x[r3 + i]!;
  }
  scores[c] = s0;
  scores[classes + c] = s1;
  scores[2 * classes + c] = s2;
  scores[3 * classes + c] = s3;
}

/** gradient[start…] += Σ errors[k, c] · x[row k], for ROWS_AT_ONCE rows. */
function addErrors(
  x: Float32Array,
  at: number,
  gradient: Float64Array,
  start: number,
  size: number,
  errors: Float64Array,
  c: number,
  classes: number,
): void {
  const [r1, r2, r3] = [at + size, at + 2 * size, at + 3 * size];
  const e0 = errors[c]!;
  const e1 = errors[classes + c]!;
  const e2 = errors[2 * classes + c]!;
  const e3 = errors[3 * classes + c]!;
  for (let i = 0; i < size; i++)
    gradient[start + i]! += e0 * x[at + i]! + e1 * x[r1 + i]! + (e2 * x[r2 + i]! + e3 * x[r3 + i]!);
  gradient[start + size]! += e0 + e1 + (e2 + e3);
}

/** Scores become probability minus truth, in place. @returns −ln of the label's probability */
function scoresToErrors(scores: Float64Array, label: number): number {
  const total = logSum(scores);
  const loss = total - scores[label]!;
  for (let c = 0; c < scores.length; c++) scores[c] = Math.exp(scores[c]! - total) - (c === label ? 1 : 0);
  return loss;
}

function logSum(scores: Float64Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < scores.length; c++) if (scores[c]! > most) most = scores[c]!;
  let sum = 0;
  for (let c = 0; c < scores.length; c++) sum += Math.exp(scores[c]! - most);
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
