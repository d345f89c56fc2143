import { describe, expect, it } from 'vitest';
import { padBatch } from '../../src/tokenizers/padding.ts';
import type { Encoding } from '../../src/tokenizers/tokenizer.ts';

const encoding = (...ids: number[]): Encoding => ({
  ids,
  typeIds: ids.map(() => 1),
  attentionMask: ids.map(() => 1),
  tokens: ids.map(String),
  offsets: ids.map((_, i) => [i, i + 1]),
});
const pad = { token: '[PAD]', id: 0 };

describe('padBatch', () => {
  it('reaches the longest, with type 0, mask 0 and offset [0, 0]', () => {
    expect(padBatch([encoding(5), encoding(6, 7)], { pad })[0]).toEqual({
      ids: [5, 0],
      typeIds: [1, 0],
      attentionMask: [1, 0],
      tokens: ['5', '[PAD]'],
      offsets: [
        [0, 1],
        [0, 0],
      ],
    });
  });

  it('rounds up to a multiple, pads at the left, and leaves longer rows alone', () => {
    const rows = padBatch([encoding(5), encoding(6, 7, 8, 9)], { pad, to: 2, multipleOf: 3, side: 'left' });
    expect(rows.map(({ ids }) => ids)).toEqual([
      [0, 0, 5],
      [6, 7, 8, 9],
    ]);
  });

  it('refuses lengths that are none', () => {
    expect(() => padBatch([encoding(1)], { pad, to: 0 })).toThrow(/to must be a positive integer, found 0/);
    expect(() => padBatch([encoding(1)], { pad, multipleOf: 1.5 })).toThrow(/multipleOf must be a positive integer/);
  });

  it('pads no rows to no rows', () => {
    expect(padBatch([], { pad })).toEqual([]);
  });
});
