import { expect, it } from 'vitest';
import { BoundedCache } from '../../src/tokenizers/bounded-cache.ts';

it('gives values back, forgets all when full, and never keeps long keys', () => {
  const cache = new BoundedCache<number>();
  expect(cache.set('a', 1)).toBe(1);
  expect([cache.get('a'), cache.get('b')]).toEqual([1, undefined]);
  expect(cache.set('x'.repeat(100), 2)).toBe(2);
  expect(cache.get('x'.repeat(100))).toBeUndefined();
  for (let i = 0; i < 40_000; i++) cache.set(String(i), i);
  expect([cache.get('a'), cache.get('39999')]).toEqual([undefined, 39_999]);
});
