import { describe, expect, it } from 'vitest';
import { backoffMs, DEFAULT_RETRY, RateLimit, Slots } from '../../src/hub/limits.ts';

describe('backoffMs', () => {
  it('doubles with each failure up to a limit, with jitter on both sides', () => {
    expect([1, 2, 3, 9].map((failures) => backoffMs(failures, DEFAULT_RETRY, () => 0.5))).toEqual([
      500, 1000, 2000, 20_000,
    ]);
    expect(backoffMs(1, DEFAULT_RETRY, () => 0)).toBe(250);
    expect(backoffMs(1, DEFAULT_RETRY, () => 1)).toBe(750);
  });
});

describe('Slots', () => {
  it('let so many in at a time, in order, also after a failure', async () => {
    const slots = new Slots(2);
    const running = { now: 0, most: 0, order: [] as number[] };
    const work = (number: number) =>
      slots.use(async () => {
        running.order.push(number);
        running.most = Math.max(running.most, ++running.now);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running.now--;
        if (number === 1) throw new Error('one of them');
      });
    const results = await Promise.allSettled([1, 2, 3, 4, 5].map(work));
    expect(results.map((result) => result.status)).toEqual(['rejected', ...Array(4).fill('fulfilled')]);
    expect(running).toMatchObject({ most: 2, order: [1, 2, 3, 4, 5] });
  });
});

describe('RateLimit', () => {
  it('makes bytes wait for their turn', async () => {
    const rate = new RateLimit(1_000_000);
    const started = performance.now();
    for (let i = 0; i < 5; i++) await rate.take(60_000);
    expect(performance.now() - started).toBeGreaterThan(200);
  });
});
