import { describe, expect, it } from 'vitest';
import { castMatrix, type StoredMatrix } from '../../src/tensor/cast.ts';
import type { FloatDtype } from '../../src/tensor/dtype.ts';
import { narrowFloat16, widenFloat16 } from '../../src/tensor/half.ts';

/** Numbers that every type here holds exactly. */
const numberAt = (i: number): number => ((i % 31) - 15) / 4;

const STORED: Record<FloatDtype, (values: Float32Array) => ArrayBufferView> = {
  float32: (values) => values,
  float64: (values) => Float64Array.from(values),
  float16: narrowFloat16,
  bfloat16: (values) => Uint16Array.from(new Uint32Array(values.buffer), (word) => word >>> 16),
};

function stored(dtype: FloatDtype, values: Float32Array, place: Omit<StoredMatrix, 'dtype' | 'bytes'>): StoredMatrix {
  const { buffer, byteOffset, byteLength } = STORED[dtype](values);
  return { dtype, bytes: new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength), ...place };
}

const DTYPES = Object.keys(STORED) as FloatDtype[];
/** More than a block in each direction, and not a multiple of one. */
const ROWS = 45;
const COLUMNS = 70;
const TURNED = { at: 3, rowStride: 1, columnStride: ROWS };
const DENSE = { at: 3, rowStride: COLUMNS, columnStride: 1 };
const values = Float32Array.from({ length: 3 + ROWS * COLUMNS }, (_, i) => numberAt(i));

describe('castMatrix', () => {
  it.each(DTYPES.flatMap((dtype) => [DENSE, TURNED].map((place) => [dtype, place] as const)))(
    'writes %s rows of %j as float32 and as float16',
    (dtype, place) => {
      const expected = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) =>
        numberAt(place.at + Math.floor(i / COLUMNS) * place.rowStride + (i % COLUMNS) * place.columnStride),
      );
      const wide = new Float32Array(ROWS * COLUMNS);
      const narrow = new Uint16Array(ROWS * COLUMNS);
      for (const target of [wide, narrow])
        expect(
          castMatrix(ROWS, COLUMNS, stored(dtype, values, place), { values: target, at: 0, rowStride: COLUMNS }),
        ).toBe(true);
      expect(wide).toEqual(expected);
      expect(widenFloat16(narrow)).toEqual(expected);
    },
  );

  it('puts matrices side by side', () => {
    const target = new Float32Array(2 * 3);
    const left = stored('float32', Float32Array.of(1, 2), { at: 0, rowStride: 1, columnStride: 2 });
    const right = stored('float16', Float32Array.of(3, 4, 5, 6), { at: 0, rowStride: 2, columnStride: 1 });
    castMatrix(2, 1, left, { values: target, at: 0, rowStride: 3 });
    castMatrix(2, 2, right, { values: target, at: 1, rowStride: 3 });
    expect([...target]).toEqual([1, 3, 4, 2, 5, 6]);
  });

  it.each(DTYPES.flatMap((dtype) => [Number.NaN, Number.POSITIVE_INFINITY].map((value) => [dtype, value] as const)))(
    'tells a %s %d',
    (dtype, value) => {
      const damaged = values.with(3 + 40 * COLUMNS + 33, value);
      for (const target of [new Float32Array(ROWS * COLUMNS), new Uint16Array(ROWS * COLUMNS)])
        expect(
          castMatrix(ROWS, COLUMNS, stored(dtype, damaged, DENSE), { values: target, at: 0, rowStride: COLUMNS }),
        ).toBe(false);
    },
  );
});
