/**
 * Plain float64 arithmetic for reference forwards: small, slow, and written from the papers, so that it shares no
 * mistake with the graphs. Matrices are row-major; x has `rows` rows.
 */

/** Reads one tensor of the checkpoint by canonical name, or its rows [from, to). */
export type ReadTensor = (name: string, from?: number, to?: number) => Promise<Float32Array>;

/** Logits beyond this many columns are not computed: they would need the whole embedding in memory. */
export const LOGIT_COLUMNS = 64;

/** x · Wᵀ + b with W [out, in] as torch.nn.Linear stores it: (rows, in) → (rows, out). */
export function linear(x: Float64Array, weight: Float32Array, inFeatures: number, bias?: Float32Array): Float64Array {
  const outFeatures = weight.length / inFeatures;
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
  relu: (x: number): number => Math.max(0, x),
};

export interface AttentionOptions {
  readonly numHeads: number;
  readonly headSize: number;
  readonly scale: number;
  /** Added to the score of query i and key j in head h; −∞ hides the key. */
  readonly bias: (h: number, i: number, j: number) => number;
}

/** softmax(q · kᵀ · scale + bias) · v, head by head: q (T, N·d), k and v (K, N·d) → (T, N·d). */
export function attention(
  [q, k, v]: readonly [Float64Array, Float64Array, Float64Array],
  options: AttentionOptions,
): Float64Array {
  const { numHeads, headSize, scale, bias } = options;
  const width = numHeads * headSize;
  const keys = k.length / width;
  const y = new Float64Array(q.length);
  for (let h = 0; h < numHeads; h++)
    for (let i = 0; i < q.length / width; i++) {
      const scores = Array.from({ length: keys }, (_, j) => {
        let score = 0;
        for (let d = 0; d < headSize; d++) score += q[i * width + h * headSize + d]! * k[j * width + h * headSize + d]!;
        return score * scale + bias(h, i, j);
      });
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((a, b) => a + b);
      for (let d = 0; d < headSize; d++)
        for (let j = 0; j < keys; j++)
          y[i * width + h * headSize + d]! += (weights[j]! / total) * v[j * width + h * headSize + d]!;
    }
  return y;
}

/** A bias that shows key j to query i or hides it. */
export function visibility(isVisible: (i: number, j: number) => boolean): AttentionOptions['bias'] {
  return (_h, i, j) => (isVisible(i, j) ? 0 : Number.NEGATIVE_INFINITY);
}

/** x / √(mean(x²) + eps) · scale, over the last dimension. */
export function rmsNorm(x: Float64Array, scale: Float32Array, eps: number): Float64Array {
  const size = scale.length;
  const y = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += size) {
    let squares = 0;
    for (let i = 0; i < size; i++) squares += x[start + i]! ** 2 / size;
    const factor = 1 / Math.sqrt(squares + eps);
    for (let i = 0; i < size; i++) y[start + i] = x[start + i]! * factor * scale[i]!;
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
