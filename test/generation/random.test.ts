/** Random numbers: the published generator, the same everywhere. */
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/generation/random.ts';

/** Vigna's xoshiro128** in BigInt, to check the arithmetic on 32-bit words. */
function* xoshiro(seed: bigint[]): Generator<bigint> {
  const word = (x: bigint): bigint => x & 0xffffffffn;
  const rotate = (x: bigint, k: bigint): bigint => word((x << k) | (x >> (32n - k)));
  let [a, b, c, d] = seed as [bigint, bigint, bigint, bigint];
  for (;;) {
    yield word(rotate(word(b * 5n), 7n) * 9n);
    const t = word(b << 9n);
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11n);
  }
}

function splitmix32(seed: number): () => bigint {
  let z = BigInt(seed);
  const word = (x: bigint): bigint => x & 0xffffffffn;
  return () => {
    z = word(z + 0x9e3779b9n);
    let t = word((z ^ (z >> 16n)) * 0x85ebca6bn);
    t = word((t ^ (t >> 13n)) * 0xc2b2ae35n);
    return t ^ (t >> 16n);
  };
}

describe('createRandom', () => {
  it.each([0, 1, 42, 0xffffffff])('is xoshiro128** after splitmix32 for seed %i', (seed) => {
    const next = splitmix32(seed);
    const words = xoshiro([next(), next(), next(), next() | 1n]);
    const random = createRandom(seed);
    for (let i = 0; i < 1000; i++) {
      const [high, low] = [words.next().value as bigint, words.next().value as bigint];
      expect(random()).toBe(Number(((high >> 5n) << 26n) | (low >> 6n)) / 2 ** 53);
    }
  });

  it('gives the same numbers on every machine', () => {
    const random = createRandom(7);
    expect([random(), random(), random()]).toMatchInlineSnapshot(`
      [
        0.2338277214186818,
        0.44891324020897816,
        0.19273095208474922,
      ]
    `);
  });

  it('is even, and different for every seed', () => {
    const counts = new Array<number>(10).fill(0);
    const random = createRandom(3);
    for (let i = 0; i < 100_000; i++) counts[Math.floor(random() * 10)]!++;
    // chi-squared with 9 degrees of freedom: above 33.7 once in 10 000
    expect(counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(33.7);
    const seeds = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 33, Number.MAX_SAFE_INTEGER];
    expect(new Set(seeds.map((seed) => createRandom(seed)())).size).toBe(seeds.length);
  });
});
