import { describe, expect, it } from 'vitest';
import { relativeBuckets } from '../../src/architectures/relative-buckets.ts';

/** From T5Attention._relative_position_bucket of transformers 4.57.6 (torch 2.13.0), at chosen distances. */
const BIDIRECTIONAL_32_128: [distance: number, bucket: number][] = [
  [0, 0],
  [-1, 1],
  [-7, 7],
  [-8, 8],
  [-11, 8],
  [-12, 9],
  [-15, 9],
  [-16, 10],
  [-64, 14],
  [-127, 15],
  [-128, 15],
  [1, 17],
  [7, 23],
  [8, 24],
  [16, 26],
  [23, 27],
  [127, 31],
];

describe('relativeBuckets', () => {
  it.each(BIDIRECTIONAL_32_128)(
    'puts distance %i into bucket %i (encoder, 32 buckets up to 128)',
    (distance, bucket) => {
      expect(relativeBuckets({ numBuckets: 32, maxDistance: 128, bidirectional: true })[distance + 128]).toBe(bucket);
    },
  );

  it('has one bucket for every key after the query in a decoder', () => {
    const buckets = relativeBuckets({ numBuckets: 32, maxDistance: 128, bidirectional: false });
    expect(new Set(buckets.slice(128))).toEqual(new Set([0]));
    expect(buckets[128 - 15]).toBe(15);
    expect(buckets[0]).toBe(31);
  });
});
