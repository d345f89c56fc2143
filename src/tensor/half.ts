/** float16 and bfloat16 ↔ float32. IEEE 754-2008 binary16; bfloat16 is the upper half of a float32. */

let table: Float32Array | undefined;

/** All 65,536 float16 values as float32 (256 kB); a look-up is several times faster than computing each. */
function float16Table(): Float32Array {
  if (table) return table;
  table = new Float32Array(65536);
  for (let h = 0; h < 65536; h++) {
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    if (exponent === 31) table[h] = fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    else table[h] = sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
  }
  return table;
}

/** float16 bit patterns → float32, exact. */
export function widenFloat16(bits: Uint16Array): Float32Array {
  const values = float16Table();
  const result = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) result[i] = values[bits[i]!]!;
  return result;
}

/** bfloat16 bit patterns → float32, exact. */
export function widenBfloat16(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
  return new Float32Array(words.buffer);
}

/** The largest finite float16. */
export const FLOAT16_MAX = 65504;

/**
 * float32 → float16 bit patterns, round to nearest, ties to even. Values beyond ±65504 + half a step become
 * infinite: check the range before (FLOAT16_MAX).
 */
export function narrowFloat16(values: Float32Array): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const result = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const sign = (word >>> 16) & 0x8000;
    const magnitude = word & 0x7fffffff;
    if (magnitude >= 0x47800000) {
      result[i] = sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00); // NaN, or too large
    } else if (magnitude >= 0x38800000) {
      const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1); // may carry into the exponent, as it should
      result[i] = sign | ((rounded - 0x38000000) >>> 13);
    } else if (magnitude >= 0x33000000) {
      const shift = 126 - (magnitude >>> 23); // subnormal: 14..24
      const fraction = (magnitude & 0x7fffff) | 0x800000;
      const half = 1 << (shift - 1);
      const rest = fraction & ((1 << shift) - 1);
      const whole = fraction >>> shift;
      result[i] = sign | (rest > half || (rest === half && whole & 1) ? whole + 1 : whole);
    } else {
      result[i] = sign;
    }
  }
  return result;
}
