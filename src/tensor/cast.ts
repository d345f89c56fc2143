/**
 * Stored floats → float32 or float16 in one pass, rows or columns first: what conversion does to every number of a
 * model. Works on bit patterns, so that looking for NaN and infinity costs nothing beside the copy.
 */
import type { FloatDtype } from './dtype.ts';
import { narrowFloat16, widenBfloat16, widenFloat16 } from './half.ts';

/** Where the elements of a matrix lie in memory, in elements. */
export interface MatrixPlace {
  readonly at: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** Numbers as a checkpoint has them; `bytes` are aligned to the width of the type. */
export interface StoredMatrix extends MatrixPlace {
  readonly dtype: FloatDtype;
  readonly bytes: Uint8Array;
}

/** Rows of the result; the columns of a row lie side by side. */
export type CastTarget = Omit<MatrixPlace, 'columnStride'> & { readonly values: Float32Array | Uint16Array };

/** Both sides of a block of this many rows and columns stay in the first-level cache. */
const BLOCK = 32;
/** float32 numbers on their way to float16: few enough to stay in the second-level cache. */
const NARROWED = 64 * 1024;

/**
 * Writes a (rows, columns) matrix as float32, or as float16 bit patterns where the target is a Uint16Array (rounded to
 * nearest even; beyond ±65504 infinite). Returns false when some number is NaN or infinite before that.
 */
export function castMatrix(rows: number, columns: number, source: StoredMatrix, target: CastTarget): boolean {
  const { values } = target;
  if (values instanceof Float32Array || source.dtype === 'float16') return copyMatrix(rows, columns, source, target);
  let allFinite = true;
  const step = Math.max(1, Math.floor(NARROWED / columns));
  const wide = new Float32Array(Math.min(step, rows) * columns);
  for (let from = 0; from < rows; from += step) {
    const count = Math.min(step, rows - from);
    const part = { ...source, at: source.at + from * source.rowStride };
    allFinite = copyMatrix(count, columns, part, { values: wide, at: 0, rowStride: columns }) && allFinite;
    const bits = narrowFloat16(wide.subarray(0, count * columns));
    for (let r = 0; r < count; r++)
      values.set(bits.subarray(r * columns, (r + 1) * columns), target.at + (from + r) * target.rowStride);
  }
  return allFinite;
}

// --- internal ---

/** Copies `count` elements, `step` apart, to places side by side; the sign bit of the result tells a NaN or infinity. */
type CopyRun<R, W> = (read: R, at: number, step: number, write: W, to: number, count: number) => number;

function copyMatrix(rows: number, columns: number, source: StoredMatrix, target: CastTarget): boolean {
  const { dtype, bytes } = source;
  const { buffer, byteOffset, byteLength } = bytes;
  const run = <R, W>(copy: CopyRun<R, W>, read: R, write: W): boolean =>
    runBlocks(rows, columns, source, target, (at, to, count) => copy(read, at, source.columnStride, write, to, count));
  if (target.values instanceof Uint16Array)
    return run(copyFloat16, new Uint16Array(buffer, byteOffset, byteLength / 2), target.values);
  const words = new Uint32Array(target.values.buffer, target.values.byteOffset, target.values.length);
  if (dtype === 'float64') return run(copyFloat64, new Float64Array(buffer, byteOffset, byteLength / 8), target.values);
  if (dtype === 'float32') return run(copyFloat32, new Uint32Array(buffer, byteOffset, byteLength / 4), words);
  const table = wideTable(dtype);
  const widen: CopyRun<Uint16Array, Uint32Array> = (read, at, step, write, to, count) =>
    copyWidened(read, at, step, write, to, count, table);
  return run(widen, new Uint16Array(buffer, byteOffset, byteLength / 2), words);
}

function runBlocks(
  rows: number,
  columns: number,
  source: MatrixPlace,
  target: CastTarget,
  copy: (at: number, to: number, count: number) => number,
): boolean {
  let flags = 0;
  const width = source.columnStride === 1 ? columns : BLOCK;
  for (let r0 = 0; r0 < rows; r0 += BLOCK)
    for (let c0 = 0; c0 < columns; c0 += width) {
      const r1 = Math.min(rows, r0 + BLOCK);
      const count = Math.min(columns - c0, width);
      for (let r = r0; r < r1; r++)
        flags |= copy(
          source.at + r * source.rowStride + c0 * source.columnStride,
          target.at + r * target.rowStride + c0,
          count,
        );
    }
  return flags >= 0;
}

// An exponent of all ones is NaN or infinity: adding one at its lowest bit carries into the sign.

function copyFloat32(read: Uint32Array, at: number, step: number, write: Uint32Array, to: number, count: number) {
  let flags = 0;
  for (let i = 0, from = at; i < count; i++, from += step) {
    const word = read[from]!;
    write[to + i] = word;
    flags |= (word & 0x7f800000) + 0x00800000;
  }
  return flags;
}

function copyWidened(
  read: Uint16Array,
  at: number,
  step: number,
  write: Uint32Array,
  to: number,
  count: number,
  table: Uint32Array,
): number {
  let flags = 0;
  for (let i = 0, from = at; i < count; i++, from += step) {
    const word = table[read[from]!]!;
    write[to + i] = word;
    flags |= (word & 0x7f800000) + 0x00800000;
  }
  return flags;
}

function copyFloat16(read: Uint16Array, at: number, step: number, write: Uint16Array, to: number, count: number) {
  let flags = 0;
  for (let i = 0, from = at; i < count; i++, from += step) {
    const bits = read[from]!;
    write[to + i] = bits;
    flags |= (bits & 0x7c00) + 0x0400;
  }
  return flags << 16;
}

function copyFloat64(read: Float64Array, at: number, step: number, write: Float32Array, to: number, count: number) {
  let sum = 0;
  for (let i = 0, from = at; i < count; i++, from += step) {
    const value = Math.fround(read[from]!);
    write[to + i] = value;
    sum += value * 0; // 0 for a finite number, NaN else
  }
  return sum === 0 ? 0 : -1;
}

const tables = new Map<string, Uint32Array>();

/** The float32 bit pattern of each of the 65,536 values of a type of two bytes (256 kB). */
function wideTable(dtype: 'float16' | 'bfloat16'): Uint32Array {
  const known = tables.get(dtype);
  if (known) return known;
  const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
  const table = new Uint32Array((dtype === 'float16' ? widenFloat16(all) : widenBfloat16(all)).buffer);
  tables.set(dtype, table);
  return table;
}
