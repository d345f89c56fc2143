/**
 * Rounds rows of a matrix to few bits. Layouts as ONNX Runtime's kernels read them: docs/ContribOperators.md,
 * MatMulNBits and DynamicQuantizeMatMul.
 */
import type { QuantizedFormat } from '../onnx/graph.ts';

/** Integers and scales of some rows. */
export interface QuantizedRows {
  readonly values: Uint8Array;
  readonly scales: Float32Array;
  /** Of a format that has them; those of a row fill whole bytes, low bits first. */
  readonly zeroPoints?: Uint8Array;
}

/** Rows (rows, columns) in the given format. */
export function quantize(rows: Float32Array, columns: number, format: QuantizedFormat): QuantizedRows {
  if (format.kind === 'columns') return quantizeRows(rows, columns);
  if (format.zeroPoints) return quantizeBlocksWithZeros(rows, columns, format.blockSize);
  return quantizeBlocks(rows, columns, format.bits, format.blockSize);
}

/**
 * Rows (rows, columns) in blocks: value = (q − 2^(bits−1)) · scale. Each row is filled up to whole blocks with zeros;
 * the low bits of a byte come first. 8 bits are symmetric; 4 bits give the sign of the largest number its −8; the codes
 * are those of the best of a few scales by squared error, and the scale is the best one for these codes.
 */
export function quantizeBlocks(rows: Float32Array, columns: number, bits: 4 | 8, blockSize: number): QuantizedRows {
  const rowCount = rows.length / columns;
  const blocks = Math.ceil(columns / blockSize);
  const blockBytes = (blockSize * bits) / 8;
  const values = new Uint8Array(rowCount * blocks * blockBytes);
  const scales = new Float32Array(rowCount * blocks);
  for (let r = 0; r < rowCount; r++)
    for (let b = 0; b < blocks; b++) {
      const from = r * columns + b * blockSize;
      const to = Math.min(from + blockSize, (r + 1) * columns);
      const block = r * blocks + b;
      if (bits === 8) scales[block] = roundBlock8(rows, from, to, values, block * blockBytes);
      else scales[block] = roundBlock4(rows, from, to, values, block * blockBytes);
      // what the row lacks to a whole block is the zero of the code
      if (to - from < blockSize) fillZero(values, block * blockBytes, to - from, blockSize, bits);
    }
  return { values, scales };
}

/**
 * Rows (rows, columns) as int8 with one symmetric scale per row; `values` are in row order, two's complement.
 */
export function quantizeRows(rows: Float32Array, columns: number): QuantizedRows {
  const rowCount = rows.length / columns;
  const values = new Int8Array(rows.length);
  const scales = new Float32Array(rowCount);
  for (let r = 0; r < rowCount; r++) {
    const scale = Math.fround(largestMagnitude(rows, r * columns, (r + 1) * columns) / 127) || 1;
    scales[r] = scale;
    const inverse = 1 / scale;
    // |0 cuts off: of a positive number plus a half that is rounding, several times as fast as Math.round
    for (let i = r * columns; i < (r + 1) * columns; i++) values[i] = ((rows[i]! * inverse + 128.5) | 0) - 128;
  }
  return { values: new Uint8Array(values.buffer), scales };
}

/**
 * Rows (rows, columns) in blocks of 4 bits with zero points: value = (q − zero) · scale, from the least number of a block (or 0)
 * to the largest (or 0).
 */
export function quantizeBlocksWithZeros(
  rows: Float32Array,
  columns: number,
  blockSize: number,
): Required<QuantizedRows> {
  const rowCount = rows.length / columns;
  const blocks = Math.ceil(columns / blockSize);
  const values = new Uint8Array(rowCount * blocks * (blockSize / 2));
  const scales = new Float32Array(rowCount * blocks);
  const zeroBytes = Math.ceil(blocks / 2);
  const zeroPoints = new Uint8Array(rowCount * zeroBytes);
  for (let r = 0; r < rowCount; r++)
    for (let b = 0; b < blocks; b++) {
      const from = r * columns + b * blockSize;
      const to = Math.min(from + blockSize, (r + 1) * columns);
      let [least, most] = [0, 0];
      for (let i = from; i < to; i++) {
        if (rows[i]! < least) least = rows[i]!;
        if (rows[i]! > most) most = rows[i]!;
      }
      const scale = Math.fround((most - least) / 15) || 1;
      const zero = Math.round(-least / scale);
      scales[r * blocks + b] = scale;
      zeroPoints[r * zeroBytes + (b >> 1)]! |= zero << ((b & 1) * 4);
      const at = (r * blocks + b) * (blockSize / 2);
      for (let i = 0; i < blockSize; i++) {
        const x = from + i < to ? rows[from + i]! : 0;
        const q = Math.max(0, Math.min(15, Math.round(x / scale) + zero));
        values[at + (i >> 1)]! |= q << ((i & 1) * 4);
      }
    }
  return { values, scales, zeroPoints };
}

// --- internal ---

function largestMagnitude(rows: Float32Array, from: number, to: number): number {
  let most = 0;
  for (let i = from; i < to; i++) {
    const size = Math.abs(rows[i]!);
    if (size > most) most = size;
  }
  return most;
}

function roundBlock8(rows: Float32Array, from: number, to: number, values: Uint8Array, at: number): number {
  const scale = Math.fround(largestMagnitude(rows, from, to) / 127);
  const inverse = scale === 0 ? 0 : 1 / scale;
  // |0 as above
  for (let i = from; i < to; i++) values[at + i - from] = (rows[i]! * inverse + 128.5) | 0;
  return scale;
}

/** The largest number becomes −8 · scale, or a little more than the code can hold: which of these errs least is tried. */
const SCALE_DIVISORS = [-8, -8.7, -7.3];

function roundBlock4(rows: Float32Array, from: number, to: number, values: Uint8Array, at: number): number {
  let extreme = 0;
  let most = 0;
  for (let i = from; i < to; i++) {
    const size = Math.abs(rows[i]!);
    if (size > most) {
      most = size;
      extreme = rows[i]!;
    }
  }
  let best = 1; // for a block of zeros: every code is that of 0
  let least = Number.POSITIVE_INFINITY;
  for (let k = 0; k < SCALE_DIVISORS.length && most > 0; k++) {
    const scale = Math.fround(extreme / SCALE_DIVISORS[k]!);
    const inverse = 1 / scale;
    let error = 0;
    for (let i = from; i < to; i++) {
      const x = rows[i]! * inverse + 8;
      let q = (x + 0.5) | 0;
      if (q > 15) q = 15;
      error += (x - q) * (x - q);
    }
    error *= scale * scale;
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  const inverse = 1 / best;
  let [products, squares] = [0, 0]; // of the numbers with their codes, of the codes
  for (let i = from; i < to; i += 2) {
    const low = code4(rows[i]! * inverse);
    const high = i + 1 < to ? code4(rows[i + 1]! * inverse) : 8;
    values[at + ((i - from) >> 1)] = low | (high << 4);
    products += rows[i]! * (low - 8) + (i + 1 < to ? rows[i + 1]! * (high - 8) : 0);
    squares += (low - 8) * (low - 8) + (high - 8) * (high - 8);
  }
  // of all scales, the one that errs least with these codes: Σxq ÷ Σq²; 3 % less squared error at no cost
  return squares === 0 ? best : Math.fround(products / squares);
}

/** x in units of the scale → 0 … 15, where 8 is 0. x is −8.7 at least, so x + 8.5 cut off is never below 0. */
function code4(x: number): number {
  const q = (x + 8.5) | 0;
  return Math.min(q, 15);
}

function fillZero(values: Uint8Array, at: number, used: number, blockSize: number, bits: 4 | 8): void {
  for (let i = used; i < blockSize; i++) {
    if (bits === 8) values[at + i] = 128;
    else values[at + (i >> 1)] = (values[at + (i >> 1)]! & (i & 1 ? 0x0f : 0xf0)) | (i & 1 ? 0x80 : 0x08);
  }
}
