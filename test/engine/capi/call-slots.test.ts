import { describe, expect, it } from 'vitest';
import { CallSlots, MAX_CALLS } from '../../../src/engine/capi/call-slots.ts';

describe('CallSlots', () => {
  it('runs no more than the limit at once, in the order of arrival', async () => {
    const slots = new CallSlots();
    const started: number[] = [];
    let running = 0;
    let most = 0;
    const call = (i: number) => async () => {
      started.push(i);
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      return i;
    };
    const results = await Promise.all(Array.from({ length: 10 }, (_, i) => slots.use(call(i))));
    expect(most).toBe(MAX_CALLS);
    expect(started).toEqual(results);
  });

  it('lets a waiting call leave when aborted, and passes the slot on', async () => {
    const slots = new CallSlots();
    const finish: (() => void)[] = [];
    const busy = Array.from({ length: MAX_CALLS }, () =>
      slots.use(() => new Promise<void>((resolve) => finish.push(resolve))),
    );
    const controller = new AbortController();
    const leaving = slots.use(async () => 'ran', controller.signal);
    const staying = slots.use(async () => 'ran');
    controller.abort('left');
    await expect(leaving).rejects.toBe('left');
    for (const end of finish) end();
    expect(await staying).toBe('ran');
    await Promise.all(busy);
  });

  it('gives the slot back after a failure', async () => {
    const slots = new CallSlots();
    const fail = () => slots.use(() => Promise.reject(new Error('no')));
    for (let i = 0; i < 2 * MAX_CALLS; i++) await expect(fail()).rejects.toThrow('no');
    expect(await slots.use(async () => 'ran')).toBe('ran');
  });
});
