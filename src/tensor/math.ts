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

/** ln Σ exp(x), without overflow: the largest value is taken out first. */
export function logSumExp(values: Float32Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) most = Math.max(most, values[i]!);
  if (most === Number.NEGATIVE_INFINITY) return most;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Math.exp(values[i]! - most);
  return most + Math.log(sum);
}

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
