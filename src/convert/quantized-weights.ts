/** The bytes of quantised weights: a matrix is read once, its integers are streamed, its scales (and zero points) kept until their turn. */
import type { MatrixSource, QuantizedFormat, Weight } from '../onnx/graph.ts';
import type { LazyTensor } from '../tensor/lazy-tensor.ts';
import type { QuantizedRows } from './quantize.ts';
import type { Quantizer } from './quantizer.ts';
import { multiplyColumns, type SmoothingFactors } from './smoothing.ts';
import { WeightBuffers } from './weight-buffers.ts';
import { floatChunks } from './weight-bytes.ts';

type QuantizedSource = Extract<Weight['source'], { kind: 'quantized' }>;

export class QuantizedWeights {
  readonly #tensors: ReadonlyMap<string, LazyTensor>;
  readonly #quantizer: Quantizer;
  readonly #buffers = new WeightBuffers();
  /** Scales of matrices whose integers are written and whose scales are not. */
  readonly #scales = new Map<string, Float32Array[]>();
  readonly #zeroPoints = new Map<string, Uint8Array[]>();

  readonly #smoothing: SmoothingFactors;

  constructor(tensors: ReadonlyMap<string, LazyTensor>, smoothing: SmoothingFactors, quantizer: Quantizer) {
    this.#tensors = tensors;
    this.#smoothing = smoothing;
    this.#quantizer = quantizer;
  }

  /** The stored bytes of a weight in order; the integers of a matrix must be asked for before its scales. */
  async *chunks(weight: Weight, source: QuantizedSource): AsyncGenerator<Uint8Array> {
    const key = keyOf(source);
    if (source.part === 'values') {
      yield* this.#values(weight, source, key);
      return;
    }
    const kept: Map<string, (Float32Array | Uint8Array)[]> = source.part === 'scales' ? this.#scales : this.#zeroPoints;
    const parts = kept.get(key);
    if (!parts) throw new Error(`"${weight.name}" comes before its matrix`);
    kept.delete(key);
    for (const part of parts) yield new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
  }

  async *#values(weight: Weight, { matrix, format }: QuantizedSource, key: string): AsyncGenerator<Uint8Array> {
    const { rows, columns } = matrix;
    const scales: Float32Array[] = [];
    this.#scales.set(key, scales);
    const zeroPoints: Uint8Array[] = [];
    this.#zeroPoints.set(key, zeroPoints);
    // the kernel of columns wants [columns, rows]: the integers of the whole matrix are turned, a quarter of its float32
    const turned = format.kind === 'columns' ? new Uint8Array(rows * columns) : undefined;
    let first = 0;
    for await (const quantized of this.#quantized(weight, matrix, format)) {
      scales.push(quantized.scales);
      if (quantized.zeroPoints) zeroPoints.push(quantized.zeroPoints);
      if (!turned) yield quantized.values;
      else {
        const count = quantized.scales.length;
        turnInto(turned, quantized.values, { first, count, rows, columns });
        first += count;
      }
    }
    if (turned) yield turned;
  }

  /** Chunks of rows in order; the next ones are read while threads work on those before. */
  async *#quantized(weight: Weight, matrix: MatrixSource, format: QuantizedFormat): AsyncGenerator<QuantizedRows> {
    const underWay: Promise<QuantizedRows>[] = [];
    for await (const rows of this.#rows(weight, matrix)) {
      const result = this.#quantizer.quantize(rows, matrix.columns, format);
      result.catch(() => undefined); // thrown where it is awaited
      underWay.push(result);
      if (underWay.length > this.#quantizer.threads) yield underWay.shift()!;
    }
    yield* underWay;
  }

  /** The matrix by rows of output features; a chunk is good until the second after it is asked for. */
  async *#rows(
    weight: Weight,
    { tensors, rows, columns, transposed, heads, smoothing }: MatrixSource,
  ): AsyncGenerator<Float32Array> {
    if (smoothing && (transposed || heads))
      throw new Error(`matrix "${weight.name}" is smoothed, and not stored [out, in]`);
    const factors = smoothing && (await this.#smoothing.of(smoothing));
    if (!heads) {
      for (const name of tensors) {
        const source = { kind: 'checkpoint', tensors: [name], transpose: transposed } as const;
        const part = { ...weight, shape: [rows, columns], dtype: 'float32', source } as const;
        // as many as there are threads: a small matrix would keep one of them busy
        for await (const chunk of floatChunks(part, this.#tensors, this.#buffers, this.#quantizer.threads)) {
          if (factors) multiplyColumns(chunk, factors);
          yield chunk;
        }
      }
      return;
    }
    // heads are filled up along a dimension of [columns, rows]; only small models have such heads
    const source = { kind: 'checkpoint', tensors, transpose: !transposed, heads } as const;
    const shape = [columns, rows];
    for await (const whole of floatChunks({ ...weight, shape, dtype: 'float32', source }, this.#tensors))
      yield turn(whole, rows, columns);
  }
}

// --- internal ---

const BLOCK = 32;

function keyOf({ matrix, format }: QuantizedSource): string {
  return JSON.stringify([matrix.tensors, matrix.heads, format]);
}

/** The transpose of a [columns, rows] matrix. */
function turn(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) result[r * columns + c] = matrix[c * rows + r]!;
  return result;
}

/** Puts rows first … first+count of a matrix into its transpose [columns, rows]. */
function turnInto(
  target: Uint8Array,
  values: Uint8Array,
  { first, count, rows, columns }: { first: number; count: number; rows: number; columns: number },
): void {
  for (let r0 = 0; r0 < count; r0 += BLOCK)
    for (let c0 = 0; c0 < columns; c0 += BLOCK)
      for (let c = c0; c < Math.min(columns, c0 + BLOCK); c++)
        for (let r = r0; r < Math.min(count, r0 + BLOCK); r++) target[c * rows + first + r] = values[r * columns + c]!;
}
