import { describe, expect, it } from 'vitest';
import { Lifetime } from '../../src/engine/lifetime.ts';

describe('Lifetime', () => {
  it('releases after the last call under way, once', async () => {
    const lifetime = new Lifetime('the thing');
    const events: string[] = [];
    const call = (name: string, milliseconds: number) =>
      lifetime.use(async () => {
        await new Promise((resolve) => setTimeout(resolve, milliseconds));
        events.push(name);
      });
    const calls = [call('first', 5), call('second', 15)];
    expect(lifetime.running).toBe(2);
    const release = (): void => {
      events.push('released');
    };
    await Promise.all([lifetime.dispose(release), lifetime.dispose(release), ...calls]);
    await lifetime.dispose(release);
    expect(events).toEqual(['first', 'second', 'released']);
  });

  it('refuses calls once disposing has begun', async () => {
    const lifetime = new Lifetime('the thing');
    const disposal = lifetime.dispose(() => {});
    await expect(lifetime.use(async () => 1)).rejects.toThrow('the thing has been disposed');
    await disposal;
  });

  it('counts a call that fails as ended', async () => {
    const lifetime = new Lifetime('the thing');
    await expect(lifetime.use(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await lifetime.dispose(() => {});
  });
});
