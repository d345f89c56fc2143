/** Arithmetic over Float32Array: what is done to logits and vectors. Sums run in float64 (plain numbers). */

/** Index of the largest value; the first of equal ones. −1 for an empty array. */
export function argmax(values: Float32Array): number {
  let best = -1;
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++)
    if (values[i]! > most || best < 0) {
      most = values[i]!;
      best = i;
    }
  return best;
}

/**
 * ln Σ exp(x), without overflow: the largest value is taken out first. Relative error of the sum below 1e-10.
 *
 * A decoder does this over tens of thousands of logits for each token, and Math.exp would take a tenth of its step. For
 * d ≤ 0 here: exp(d) = 2^n · exp(r) with n = round(d / ln 2) and |r| ≤ ln 2 / 2, exp(r) by its Taylor series.
 */
export function logSumExp(values: Float32Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) if (values[i]! > most) most = values[i]!;
  if (most === Number.NEGATIVE_INFINITY) return most;
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const d = values[i]! - most;
    if (d < LEAST_EXPONENT) continue; // less than 1e-26 of the largest
    const n = (d * LOG2_E - 0.5) | 0; // towards zero of a negative number: rounds d / ln 2
    const r = d - n * Math.LN2;
    sum +=
      POWERS_OF_TWO[-n]! *
      (1 +
        r *
          (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040 + r / 40320))))))));
  }
  return most + Math.log(sum);
}

const LOG2_E = 1 / Math.LN2;
const LEAST_EXPONENT = -60;
/** 2^−n */
const POWERS_OF_TWO = Float64Array.from({ length: 90 }, (_, n) => 2 ** -n);

/** exp(x) / Σ exp(x), as a new array. */
export function softmax(logits: Float32Array): Float32Array {
  const total = logSumExp(logits);
  const result = new Float32Array(logits.length);
  for (let i = 0; i < logits.length; i++) result[i] = Math.exp(logits[i]! - total);
  return result;
}

/** Indices of the k largest values, largest first; equal values in order of index. */
export function topK(values: Float32Array, k: number): number[] {
  const best: number[] = [];
  for (let i = 0; i < values.length; i++) {
    if (best.length === k && !(values[i]! > values[best[k - 1]!]!)) continue;
    let at = best.length;
    while (at > 0 && values[i]! > values[best[at - 1]!]!) at--;
    best.splice(at, 0, i);
    if (best.length > k) best.pop();
  }
  return best;
}

/** Σ a·b. */
export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Cosine of the angle between two vectors; 0 when one of them is zero. */
export function cosine(a: Float32Array, b: Float32Array): number {
  const lengths = Math.sqrt(dot(a, a) * dot(b, b));
  return lengths === 0 ? 0 : dot(a, b) / lengths;
}

/** The vector scaled to length 1, as a new array; a zero vector stays. */
export function normalize(vector: Float32Array): Float32Array {
  const length = Math.sqrt(dot(vector, vector)) || 1;
  return vector.map((value) => value / length);
}

/** Mean of the rows of a (rows, size) matrix. */
export function meanRows(matrix: Float32Array, size: number): Float32Array {
  const rows = matrix.length / size;
  const sums = new Float64Array(size);
  for (let i = 0; i < matrix.length; i++) sums[i % size]! += matrix[i]!;
  return Float32Array.from(sums, (sum) => sum / rows);
}
