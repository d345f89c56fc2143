/**
 * Smoothing: activations are rounded to 8 bits with one scale for all of them (DynamicQuantizeMatMul) or for a block of channels
 * (MatMulNBits), so a few large channels leave the others few codes. Dividing the norm that makes the activation by a factor
 * per channel and multiplying the columns of the matrices that read it leaves the function as it is and evens the channels
 * out. (Xiao et al., "SmoothQuant", 2023, with α = 1/2; how large a channel gets is estimated from the norm's own weight and bias
 * instead of calibration runs.)
 */
import type { Graph, NormReaders, Weight } from '../onnx/graph.ts';
import { columnMaxima } from '../tensor/column-maxima.ts';
import { type LazyTensor, readFloat32 } from '../tensor/lazy-tensor.ts';
import { checkFinite } from './weight-bytes.ts';

/** A normalised channel has the variance 1; its largest number in a text is about so many standard deviations. */
const EXTREME = 3;

/** Marks the vectors of every norm whose readers are all quantised, and those matrices, as smoothed. */
export function smoothGraph(graph: Graph, norms: readonly NormReaders[]): void {
  const quantized = new Map<string, Weight[]>();
  for (const weight of graph.weights.values()) {
    const { source } = weight;
    if (source.kind !== 'quantized' || source.matrix.tensors.length > 1) continue;
    const [name = ''] = source.matrix.tensors;
    quantized.set(name, [...(quantized.get(name) ?? []), weight]);
  }
  for (const norm of norms) {
    if (!norm.readers.every((reader) => quantized.has(reader))) continue;
    for (const part of ['weight', 'bias']) {
      const name = `${norm.norm}.${part}`;
      const vector = graph.weights.get(name)!;
      graph.weights.set(name, { ...vector, source: { kind: 'smoothed', tensor: name, norm } });
    }
    for (const weight of norm.readers.flatMap((reader) => quantized.get(reader)!)) {
      const { source } = weight;
      if (source.kind !== 'quantized') continue;
      graph.weights.set(weight.name, {
        ...weight,
        source: { ...source, matrix: { ...source.matrix, smoothing: norm } },
      });
    }
  }
}

/** The factors of norms, computed when first asked for. */
export class SmoothingFactors {
  readonly #tensors: ReadonlyMap<string, LazyTensor>;
  readonly #known = new Map<string, Promise<Float32Array>>();

  constructor(tensors: ReadonlyMap<string, LazyTensor>) {
    this.#tensors = tensors;
  }

  /** One factor per channel: √(largest number of the activation ÷ largest of the columns). 1 where either is 0. */
  of(norm: NormReaders): Promise<Float32Array> {
    const factors = this.#known.get(norm.norm) ?? this.#compute(norm);
    this.#known.set(norm.norm, factors);
    return factors;
  }

  /** The stored form of a norm's vector: divided by the factors. */
  async divided(tensor: string, norm: NormReaders): Promise<Float32Array> {
    const [values, factors] = [await this.#read(tensor), await this.of(norm)];
    return values.map((value, channel) => value / factors[channel]!);
  }

  async #compute({ norm, readers }: NormReaders): Promise<Float32Array> {
    const [weight, bias] = [await this.#read(`${norm}.weight`), await this.#read(`${norm}.bias`)];
    const largest = new Float32Array(weight.length);
    for (const reader of readers) {
      const maxima = await columnMaxima(this.#tensor(reader));
      for (let c = 0; c < largest.length; c++) largest[c] = Math.max(largest[c]!, maxima[c]!);
    }
    return weight.map((value, channel) => {
      const activation = EXTREME * Math.abs(value) + Math.abs(bias[channel]!);
      const column = largest[channel]!;
      return activation > 0 && column > 0 ? Math.sqrt(activation / column) : 1;
    });
  }

  async #read(name: string): Promise<Float32Array> {
    const values = await readFloat32(this.#tensor(name));
    checkFinite(values, this.#tensor(name));
    return values;
  }

  #tensor(name: string): LazyTensor {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw new Error(`smoothing reads tensor "${name}", which the architecture does not list`);
    return tensor;
  }
}

/** The stored bytes of a norm's vector. */
export async function* smoothedBytes(
  { tensor, norm }: Extract<Weight['source'], { kind: 'smoothed' }>,
  smoothing: SmoothingFactors,
): AsyncGenerator<Uint8Array> {
  const { buffer, byteOffset, byteLength } = await smoothing.divided(tensor, norm);
  yield new Uint8Array(buffer, byteOffset, byteLength);
}

/** Multiplies column c of rows (rows, factors.length) with factors[c], in place. */
export function multiplyColumns(rows: Float32Array, factors: Float32Array): void {
  for (let start = 0; start < rows.length; start += factors.length)
    for (let c = 0; c < factors.length; c++) rows[start + c]! *= factors[c]!;
}
