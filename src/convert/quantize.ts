/**
 * Rounds rows of a matrix to few bits. Layouts as ONNX Runtime's kernels read them: docs/ContribOperators.md,
 * MatMulNBits and DynamicQuantizeMatMul.
 */

/** Integers and scales of some rows. */
export interface QuantizedRows {
  readonly values: Uint8Array;
  readonly scales: Float32Array;
}

/**
 * Rows (rows, columns) in blocks: value = (q − 2^(bits−1)) · scale. Each row is filled up to whole blocks with zeros;
 * the low bits of a byte come first. 8 bits are symmetric; 4 bits give the sign of the largest number its −8, and the
 * scale is the best of a few by squared error.
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
    let most = 0;
    for (let i = r * columns; i < (r + 1) * columns; i++) most = Math.max(most, Math.abs(rows[i]!));
    const scale = Math.fround(most / 127) || 1;
    scales[r] = scale;
    const inverse = 1 / scale;
    for (let i = r * columns; i < (r + 1) * columns; i++) values[i] = Math.round(rows[i]! * inverse);
  }
  return { values: new Uint8Array(values.buffer), scales };
}

// --- internal ---

function roundBlock8(rows: Float32Array, from: number, to: number, values: Uint8Array, at: number): number {
  let most = 0;
  for (let i = from; i < to; i++) most = Math.max(most, Math.abs(rows[i]!));
  const scale = Math.fround(most / 127);
  const inverse = scale === 0 ? 0 : 1 / scale;
  for (let i = from; i < to; i++) values[at + i - from] = 128 + Math.round(rows[i]! * inverse);
  return scale;
}

/** The largest number becomes −8 · scale, or a little more than the code can hold: which of these errs least is tried. */
const SCALE_DIVISORS = [-8, -8.6, -7.4, 7.1];

function roundBlock4(rows: Float32Array, from: number, to: number, values: Uint8Array, at: number): number {
  let extreme = 0;
  for (let i = from; i < to; i++) if (Math.abs(rows[i]!) > Math.abs(extreme)) extreme = rows[i]!;
  if (extreme === 0) {
    values.fill(0x88, at, at + ((to - from + 1) >> 1));
    return 0;
  }
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const divisor of SCALE_DIVISORS) {
    const scale = Math.fround(extreme / divisor);
    const inverse = 1 / scale;
    let error = 0;
    for (let i = from; i < to; i++) {
      const x = rows[i]! * inverse;
      const q = Math.max(-8, Math.min(7, Math.round(x)));
      error += (x - q) * (x - q);
    }
    error *= scale * scale;
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  const inverse = 1 / best;
  for (let i = from; i < to; i++) {
    const q = Math.max(-8, Math.min(7, Math.round(rows[i]! * inverse))) + 8;
    const byte = at + ((i - from) >> 1);
    values[byte]! |= (i - from) & 1 ? q << 4 : q;
  }
  return best;
}

function fillZero(values: Uint8Array, at: number, used: number, blockSize: number, bits: 4 | 8): void {
  for (let i = used; i < blockSize; i++) {
    if (bits === 8) values[at + i] = 128;
    else values[at + (i >> 1)] = (values[at + (i >> 1)]! & (i & 1 ? 0x0f : 0xf0)) | (i & 1 ? 0x80 : 0x08);
  }
}
