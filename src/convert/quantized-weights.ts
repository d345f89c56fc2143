/** The bytes of quantised weights: a matrix is read once, its integers are streamed, its scales kept until their turn. */
import type { MatrixSource, Weight } from '../onnx/graph.ts';
import type { LazyTensor } from '../tensor/lazy-tensor.ts';
import { rowChunks } from '../tensor/lazy-tensor.ts';
import { quantizeBlocks, quantizeBlocksWithZeros, quantizeRows } from './quantize.ts';
import { multiplyColumns, SmoothingFactors } from './smoothing.ts';
import { checkFinite, floatChunks } from './weight-bytes.ts';

type QuantizedSource = Extract<Weight['source'], { kind: 'quantized' }>;

/** Rows that are quantised together: some megabytes of float32. */
const CHUNK_BYTES = 8 * 1024 * 1024;

export class QuantizedWeights {
  readonly #tensors: ReadonlyMap<string, LazyTensor>;
  /** Scales of matrices whose integers are written and whose scales are not. */
  readonly #scales = new Map<string, Float32Array[]>();
  readonly #zeroPoints = new Map<string, Uint8Array[]>();

  readonly #smoothing: SmoothingFactors;

  constructor(tensors: ReadonlyMap<string, LazyTensor>, smoothing = new SmoothingFactors(tensors)) {
    this.#tensors = tensors;
    this.#smoothing = smoothing;
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
    const scales: Float32Array[] = [];
    this.#scales.set(key, scales);
    if (format.kind === 'blocks' && format.zeroPoints) {
      const zeroPoints: Uint8Array[] = [];
      this.#zeroPoints.set(key, zeroPoints);
      for await (const rows of this.#rows(weight, matrix)) {
        const quantized = quantizeBlocksWithZeros(rows, matrix.columns, format.blockSize);
        scales.push(quantized.scales);
        zeroPoints.push(quantized.zeroPoints);
        yield quantized.values;
      }
      return;
    }
    if (format.kind === 'blocks') {
      for await (const rows of this.#rows(weight, matrix)) {
        const quantized = quantizeBlocks(rows, matrix.columns, format.bits, format.blockSize);
        scales.push(quantized.scales);
        yield quantized.values;
      }
      return;
    }
    // the kernel wants [columns, rows]: the integers of the whole matrix are turned, a quarter of its float32
    const turned = new Uint8Array(matrix.rows * matrix.columns);
    let first = 0;
    for await (const rows of this.#rows(weight, matrix)) {
      const quantized = quantizeRows(rows, matrix.columns);
      scales.push(quantized.scales);
      const count = rows.length / matrix.columns;
      turnInto(turned, quantized.values, { first, count, rows: matrix.rows, columns: matrix.columns });
      first += count;
    }
    yield turned;
  }

  /** The matrix by rows of output features. */
  async *#rows(weight: Weight, matrix: MatrixSource): AsyncGenerator<Float32Array> {
    const { tensors, rows, columns, transposed, heads, smoothing } = matrix;
    if (smoothing && (transposed || heads))
      throw new Error(`matrix "${weight.name}" is smoothed, and not stored [out, in]`);
    const factors = smoothing && (await this.#smoothing.of(smoothing));
    if (!transposed && !heads) {
      for (const name of tensors) {
        const tensor = this.#tensors.get(name);
        if (!tensor) throw new Error(`the graph uses tensor "${name}", which the architecture's list of tensors lacks`);
        for await (const chunk of rowChunks(tensor, CHUNK_BYTES)) {
          checkFinite(chunk, tensor);
          if (factors) multiplyColumns(chunk, factors);
          yield chunk;
        }
      }
      return;
    }
    // stored [in, out], or with heads to fill up: as the float weight of this matrix, turned into rows of outputs
    const shape = [columns, rows];
    const source = { kind: 'checkpoint', tensors, transpose: !transposed, heads } as const;
    const whole = new Float32Array(rows * columns); // [columns, rows]
    let at = 0;
    for await (const chunk of floatChunks({ ...weight, shape, dtype: 'float32', source }, this.#tensors)) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    const step = Math.max(1, Math.floor(CHUNK_BYTES / 4 / columns));
    for (let from = 0; from < rows; from += step) {
      yield turnRows(whole, rows, columns, from, Math.min(rows, from + step));
    }
  }
}

// --- internal ---

const BLOCK = 32;

function keyOf({ matrix, format }: QuantizedSource): string {
  return JSON.stringify([matrix.tensors, matrix.heads, format]);
}

/** Rows [from, to) of the transpose of a [columns, rows] matrix. */
function turnRows(matrix: Float32Array, rows: number, columns: number, from: number, to: number): Float32Array {
  const result = new Float32Array((to - from) * columns);
  for (let c0 = 0; c0 < columns; c0 += BLOCK)
    for (let r0 = from; r0 < to; r0 += BLOCK)
      for (let r = r0; r < Math.min(to, r0 + BLOCK); r++)
        for (let c = c0; c < Math.min(columns, c0 + BLOCK); c++)
          result[(r - from) * columns + c] = matrix[c * rows + r]!;
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
