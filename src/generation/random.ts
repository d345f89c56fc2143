/**
 * Random numbers that are the same on every machine: xoshiro128** (Blackman and Vigna, 2018), its state filled from the
 * seed by splitmix32.
 */

/** A source of numbers in [0, 1) with 53 random bits. `seed`: a whole number from 0 on. */
export function createRandom(seed: number): () => number {
  let z = ((seed >>> 0) ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b1)) >>> 0; // all 53 bits count
  const splitmix = (): number => {
    z = (z + 0x9e3779b9) >>> 0;
    let t = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    t = Math.imul(t ^ (t >>> 13), 0xc2b2ae35);
    return (t ^ (t >>> 16)) >>> 0;
  };
  const s = Uint32Array.of(splitmix(), splitmix(), splitmix(), splitmix() | 1); // never all zero
  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(s[1]!, 5), 7), 9) >>> 0;
    const t = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = rotate(s[3]!, 11);
    return result;
  };
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}

// --- internal ---

const rotate = (x: number, k: number): number => (x << k) | (x >>> (32 - k));
