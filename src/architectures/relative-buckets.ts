/** T5's buckets of relative distance. Source: T5Attention._relative_position_bucket in transformers v4.57. */

export interface BucketOptions {
  readonly numBuckets: number;
  /** Distances from here on share the last bucket. */
  readonly maxDistance: number;
  /** Encoder: half of the buckets for keys after the query. Decoder: keys after it do not exist. */
  readonly bidirectional: boolean;
}

/**
 * The bucket of each distance key − query from −maxDistance to maxDistance, inclusive: index = distance + maxDistance.
 * The logarithm is rounded to float32 at each step, as the reference computes it, since buckets begin at its integers.
 */
export function relativeBuckets({ numBuckets, maxDistance, bidirectional }: BucketOptions): number[] {
  const count = bidirectional ? numBuckets / 2 : numBuckets;
  const exact = Math.floor(count / 2);
  const bucketOf = (distance: number): number => {
    const offset = bidirectional && distance > 0 ? count : 0;
    const size = bidirectional ? Math.abs(distance) : Math.max(0, -distance);
    if (size < exact) return offset + size;
    const ratio = Math.fround(Math.log(Math.fround(size / exact)));
    const share = Math.fround(ratio / Math.fround(Math.log(maxDistance / exact)));
    const large = exact + Math.trunc(Math.fround(share * (count - exact)));
    return offset + Math.min(large, count - 1);
  };
  return Array.from({ length: 2 * maxDistance + 1 }, (_, i) => bucketOf(i - maxDistance));
}
