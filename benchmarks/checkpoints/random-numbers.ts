/** Numbers for weights that nobody trained: normally distributed, repeatable, and fast enough for gigabytes. */
import { narrowFloat16 } from '../../src/tensor/half.ts';

export type StoredDtype = 'float16' | 'float32';

/** What a storage is filled with. */
export type Fill =
  | { readonly kind: 'normal'; readonly mean: number; readonly deviation: number }
  | { readonly kind: 'constant'; readonly value: number }
  /** 1 on and below the diagonal of a square matrix, 0 above. */
  | { readonly kind: 'causal-mask'; readonly size: number };

/** Distinct values of a normal fill; two indices of 12 bits come out of each 32-bit random number. */
const QUANTILES = 4096;
/** Elements made at a time. */
const CHUNK_ELEMENTS = 4 * 1024 * 1024;

/** Yields the bytes of `count` elements. The same seed gives the same bytes. */
export function* fillBytes(fill: Fill, dtype: StoredDtype, count: number, seed: number): Generator<Uint8Array> {
  const table = typed(dtype, valuesOf(fill));
  const write = fill.kind === 'normal' ? normalWriter(table, seed) : patternWriter(table, fill);
  for (let from = 0; from < count; from += CHUNK_ELEMENTS) {
    const chunk = new (dtype === 'float16' ? Uint16Array : Float32Array)(Math.min(CHUNK_ELEMENTS, count - from));
    write(chunk, from);
    yield new Uint8Array(chunk.buffer);
  }
}

// --- internal ---

type Elements = Uint16Array | Float32Array;

function valuesOf(fill: Fill): number[] {
  if (fill.kind === 'constant') return [fill.value];
  if (fill.kind === 'causal-mask') return [0, 1];
  return Array.from(
    { length: QUANTILES },
    (_, i) => fill.mean + fill.deviation * normalQuantile((i + 0.5) / QUANTILES),
  );
}

function typed(dtype: StoredDtype, values: readonly number[]): Elements {
  const floats = Float32Array.from(values);
  return dtype === 'float16' ? narrowFloat16(floats) : floats;
}

type Write = (target: Elements, from: number) => void;

function patternWriter(table: Elements, fill: Fill): Write {
  if (fill.kind !== 'causal-mask') return (target) => target.fill(table[0]!);
  const { size } = fill;
  return (target, from) => {
    for (let i = 0; i < target.length; i++) {
      const row = Math.floor((from + i) / size);
      target[i] = table[(from + i) % size <= row ? 1 : 0]!;
    }
  };
}

/** xorshift32 (Marsaglia, 2003), two numbers at a time. */
function normalWriter(table: Elements, seed: number): Write {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1; // never 0, where xorshift stays
  return (target) => {
    for (let i = 0; i < target.length; i += 2) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      target[i] = table[state & (QUANTILES - 1)]!;
      if (i + 1 < target.length) target[i + 1] = table[(state >>> 16) & (QUANTILES - 1)]!;
    }
  };
}

/** Inverse of the standard normal distribution, error below 4.5e-4 (Abramowitz and Stegun, 26.2.23). */
function normalQuantile(p: number): number {
  const t = Math.sqrt(-2 * Math.log(Math.min(p, 1 - p)));
  const z =
    t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t * t * t);
  return p < 0.5 ? -z : z;
}
