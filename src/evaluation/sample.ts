/** A seeded subset: the same rows for everyone, drawn across the whole file, nested for growing sizes. */

/**
 * `count` of the items, in their order. Each index gets a key from the seed; the smallest keys are taken, so that a
 * smaller subset lies inside a larger one and no row depends on how many there are behind it.
 */
export function sampleRows<T>(items: readonly T[], count: number, seed: number): T[] {
  if (count >= items.length) return [...items];
  return items
    .map((_, index) => ({ index, key: mix(index + 1 + Math.imul(seed + 1, 0x9e3779b9)) }))
    .sort((a, b) => a.key - b.key || a.index - b.index)
    .slice(0, count)
    .map(({ index }) => index)
    .sort((a, b) => a - b)
    .map((index) => items[index]!);
}

// --- internal ---

/** The finalizer of MurmurHash3: 32 bits in, 32 well mixed bits out. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
