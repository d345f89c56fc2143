/** Few bits, in the layouts that the kernels read. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quantizeBlocks, quantizeBlocksWithZeros, quantizeRows } from '../../src/convert/quantize.ts';

/** What MatMulNBits makes of the integers: (q − 2^(bits−1)) · scale, low bits of a byte first. */
function dequantize(
  { values, scales }: { values: Uint8Array; scales: Float32Array },
  columns: number,
  bits: 4 | 8,
  blockSize: number,
): number[] {
  const blocks = Math.ceil(columns / blockSize);
  const rows = scales.length / blocks;
  return Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const at = row * blocks * blockSize + column;
    const q = bits === 8 ? values[at]! : (values[at >> 1]! >> ((at & 1) * 4)) & 15;
    return (q - 2 ** (bits - 1)) * scales[row * blocks + Math.floor(column / blockSize)]!;
  });
}

const numbers = fc.float({ min: -100, max: 100, noNaN: true });

describe('quantizeBlocks', () => {
  it('keeps what fits the code', () => {
    const row = Float32Array.from({ length: 16 }, (_, i) => i - 8);
    expect(dequantize(quantizeBlocks(row, 16, 4, 16), 16, 4, 16)).toEqual([...row]);
    const wide = Float32Array.from({ length: 16 }, (_, i) => (i - 8) * 16 - (i === 0 ? -1 : 0));
    expect(dequantize(quantizeBlocks(wide, 16, 8, 16), 16, 8, 16)).toEqual([...wide]);
  });

  it('gives the largest number of a block its full range, whatever its sign', () => {
    for (const sign of [1, -1]) {
      const row = Float32Array.from({ length: 32 }, (_, i) => (i === 5 ? sign * 8 : 0.1));
      const [, , , , , largest] = dequantize(quantizeBlocks(row, 32, 4, 32), 32, 4, 32);
      expect(Math.abs(largest! - sign * 8)).toBeLessThan(0.8);
    }
  });

  it.each([4, 8] as const)('errs by little more than half a step with %i bits', (bits) => {
    fc.assert(
      fc.property(fc.array(numbers, { minLength: 40, maxLength: 40 }), (values) => {
        const rows = Float32Array.from(values);
        const quantized = quantizeBlocks(rows, 40, bits, 32);
        expect(quantized.values).toHaveLength((2 * 32 * bits) / 8); // 40 numbers take two blocks
        const back = dequantize(quantized, 40, bits, 32);
        for (const [i, value] of back.entries()) {
          const step = Math.abs(quantized.scales[Math.floor(i / 32)]!);
          expect(Math.abs(value - rows[i]!)).toBeLessThanOrEqual((bits === 8 ? 0.51 : 1.3) * step + 1e-6);
        }
      }),
    );
  });

  it('with 4 bits no other scale errs less with the same codes', () => {
    const row = Float32Array.from({ length: 32 }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 5)));
    const { values, scales } = quantizeBlocks(row, 32, 4, 32);
    const errorWith = (factor: number): number =>
      dequantize({ values, scales: scales.map((scale) => scale * factor) }, 32, 4, 32).reduce(
        (sum, value, i) => sum + (value - row[i]!) ** 2,
        0,
      );
    for (const factor of [0.9, 0.99, 1.01, 1.1]) expect(errorWith(1)).toBeLessThan(errorWith(factor));
  });

  it('with zero points, spans from the least to the largest number', () => {
    const row = Float32Array.from({ length: 32 }, (_, i) => (i < 16 ? i : 0));
    const { values, scales, zeroPoints } = quantizeBlocksWithZeros(row, 32, 32);
    expect([...scales]).toEqual([1]);
    expect([...zeroPoints]).toEqual([0]);
    expect(Array.from({ length: 32 }, (_, i) => (values[i >> 1]! >> ((i & 1) * 4)) & 15)).toEqual([...row]);
    const shifted = quantizeBlocksWithZeros(
      Float32Array.from({ length: 64 }, (_, i) => -(i % 16)),
      64,
      32,
    );
    expect([...shifted.zeroPoints]).toEqual([0xff]); // two blocks of a row share a byte
  });

  it('fills a row up with the code of zero', () => {
    const { values } = quantizeBlocks(Float32Array.of(1, -1, 1), 3, 4, 16);
    expect([...values.slice(2)]).toEqual(new Array(6).fill(0x88));
    expect(values[1]! >> 4).toBe(8);
  });

  it('takes rows of zeros', () => {
    expect(dequantize(quantizeBlocks(new Float32Array(32), 32, 4, 32), 32, 4, 32).every((value) => value === 0)).toBe(
      true,
    );
    expect(dequantize(quantizeBlocks(new Float32Array(32), 32, 8, 32), 32, 8, 32).every((value) => value === 0)).toBe(
      true,
    );
  });
});

describe('quantizeRows', () => {
  it('has one scale per row, and zero stays zero', () => {
    const { values, scales } = quantizeRows(Float32Array.of(127, -63.5, 0, 0, 0, 0), 3);
    expect([...new Int8Array(values.buffer)]).toEqual([127, -63, 0, 0, 0, 0]); // Math.round(−63.5) is −63;
    expect(scales[0]).toBe(1);
  });
});
