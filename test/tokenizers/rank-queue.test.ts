import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RankQueue } from '../../src/tokenizers/rank-queue.ts';

it('gives the lowest rank first, with its positions from left to right', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(20), fc.nat(50))), (pairs) => {
      const queue = new RankQueue();
      for (const [rank, position] of pairs) queue.push(rank, position);
      const out: [number, number][] = [];
      for (let next = queue.shift(); next; next = queue.shift())
        for (const position of next.positions) out.push([next.rank, position]);
      expect(out).toEqual([...pairs].sort((a, b) => a[0] - b[0] || a[1] - b[1]));
    }),
  );
});
