/**
 * Plain float64 arithmetic for reference forwards: small, slow, and written from the papers, so that it shares no
 * mistake with the graphs. Matrices are row-major; x has `rows` rows.
 */

/** Reads one tensor of the checkpoint by canonical name, or its rows [from, to). */
export type ReadTensor = (name: string, from?: number, to?: number) => Promise<Float32Array>;

/** Logits beyond this many columns are not computed: they would need the whole embedding in memory. */
export const LOGIT_COLUMNS = 64;

/** x · Wᵀ + b with W [out, in] as torch.nn.Linear stores it: (rows, in) → (rows, out). */
export function linear(x: Float64Array, weight: Float32Array, bias?: Float32Array): Float64Array {
  const outFeatures = bias?.length ?? weight.length / inFeaturesOf(x, weight);
  const inFeatures = weight.length / outFeatures;
  const rows = x.length / inFeatures;
  const y = new Float64Array(rows * outFeatures);
  for (let o = 0; o < outFeatures; o++) {
    const base = o * inFeatures;
    for (let r = 0; r < rows; r++) {
      let sum = bias ? bias[o]! : 0;
      const start = r * inFeatures;
      for (let i = 0; i < inFeatures; i++) sum += x[start + i]! * weight[base + i]!;
      y[r * outFeatures + o] = sum;
    }
  }
  return y;
}

/** x · W + b with W [in, out] as GPT-2's Conv1D stores it: (rows, in) → (rows, out). */
export function conv1d(x: Float64Array, weight: Float32Array, bias: Float32Array): Float64Array {
  const outFeatures = bias.length;
  const inFeatures = weight.length / outFeatures;
  const rows = x.length / inFeatures;
  const y = new Float64Array(rows * outFeatures);
  for (let r = 0; r < rows; r++) {
    y.set(bias, r * outFeatures);
    for (let i = 0; i < inFeatures; i++) {
      const factor = x[r * inFeatures + i]!;
      for (let o = 0; o < outFeatures; o++) y[r * outFeatures + o]! += factor * weight[i * outFeatures + o]!;
    }
  }
  return y;
}

/** (x − mean) / √(variance + eps) · scale + shift, over the last dimension of size scale.length. */
export function layerNorm(x: Float64Array, scale: Float32Array, shift: Float32Array, eps: number): Float64Array {
  const size = scale.length;
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += size) {
    let mean = 0;
    for (let i = 0; i < size; i++) mean += x[start + i]! / size;
    let variance = 0;
    for (let i = 0; i < size; i++) variance += (x[start + i]! - mean) ** 2 / size;
    const factor = 1 / Math.sqrt(variance + eps);
    for (let i = 0; i < size; i++) y[start + i] = (x[start + i]! - mean) * factor * scale[i]! + shift[i]!;
  }
  return y;
}

/** a + b. */
export function sum(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + b[i]!);
}

/** The activations by their names in config.json. */
export const REFERENCE_ACTIVATIONS = {
  gelu: (x: number): number => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  gelu_new: tanhGelu,
  gelu_fast: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
};

/**
 * Attention of T queries over T keys: softmax(q · kᵀ · scale, where allowed(i, j)) · v, head by head.
 * q, k, v are (T, numHeads · headSize).
 */
export function attention(
  [q, k, v]: readonly [Float64Array, Float64Array, Float64Array],
  numHeads: number,
  scale: number,
  allowed: (i: number, j: number) => boolean,
  rows: number,
): Float64Array {
  const width = q.length / rows;
  const headSize = width / numHeads;
  const y = new Float64Array(q.length);
  for (let h = 0; h < numHeads; h++)
    for (let i = 0; i < rows; i++) {
      const scores = Array.from({ length: rows }, (_, j) => {
        if (!allowed(i, j)) return Number.NEGATIVE_INFINITY;
        let score = 0;
        for (let d = 0; d < headSize; d++) score += q[i * width + h * headSize + d]! * k[j * width + h * headSize + d]!;
        return score * scale;
      });
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((a, b) => a + b);
      for (let d = 0; d < headSize; d++)
        for (let j = 0; j < rows; j++)
          y[i * width + h * headSize + d]! += (weights[j]! / total) * v[j * width + h * headSize + d]!;
    }
  return y;
}

/** erf by its Taylor series where that converges fast, by the continued fraction of erfc elsewhere (DLMF 7.6.1, 7.9.1). */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 6) return Math.sign(x);
  if (z < 2.5) {
    let term = z;
    let total = z;
    for (let n = 1; Math.abs(term) > 1e-17 * total; n++) {
      term *= (-z * z) / n;
      total += term / (2 * n + 1);
    }
    return (Math.sign(x) * 2 * total) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (z + fraction);
  return Math.sign(x) * (1 - Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction));
}

// --- internal ---

function tanhGelu(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

/** Without a bias the matrix alone does not say its width; one row of x does. */
function inFeaturesOf(x: Float64Array, weight: Float32Array): number {
  if (weight.length % x.length === 0) return x.length;
  throw new Error(`a matrix of ${weight.length} numbers does not fit a vector of ${x.length}`);
}
