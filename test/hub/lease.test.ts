import { readFile, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { acquireLease } from '../../src/hub/lease.ts';
import { errorOf, useScratch } from './scratch.ts';

const scratch = useScratch();
const owner = (changes: object): string =>
  JSON.stringify({ token: 'other', host: 'elsewhere', pid: 1, machine: 'elsewhere', ...changes });

describe('acquireLease', () => {
  it('is one at a time, and the next one’s when it is released', async () => {
    const first = await acquireLease(scratch('a/lease'));
    const waits: number[] = [];
    const second = acquireLease(scratch('a/lease'), { onWait: ({ pid }) => waits.push(pid) });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await first.release();
    await (await second).release();
    expect(waits).toEqual([process.pid]);
    expect(await readFile(scratch('a/lease')).catch(() => 'absent')).toBe('absent');
  });

  it('gives up when told to, with exit code 10', async () => {
    await writeFile(scratch('lease'), owner({}));
    const error = await errorOf(acquireLease(scratch('lease'), { waitMs: 300 }));
    expect(error).toMatchObject({ code: 'locked', exitCode: 10, facts: { host: 'elsewhere' } });
  });

  it.each([
    ['silent for too long', owner({})],
    ['cut off while it was written', ''],
  ])('is taken from an owner %s', async (_what, text) => {
    await writeFile(scratch('lease'), text);
    const lease = await acquireLease(scratch('lease'), { staleMs: 400, waitMs: 5000 });
    await lease.release();
  });

  it('is taken at once from a process of this machine that is no more', async () => {
    const probe = await acquireLease(scratch('lease'));
    const { machine } = JSON.parse(await readFile(scratch('lease'), 'utf8'));
    await probe.release();
    await writeFile(scratch('lease'), owner({ machine, pid: 2 ** 22 + 1 }));
    const started = performance.now();
    await (await acquireLease(scratch('lease'))).release();
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it('tells its owner when another has taken it over', async () => {
    const lease = await acquireLease(scratch('lease'), { heartbeatMs: 50 });
    await rm(scratch('lease'));
    await writeFile(scratch('lease'), owner({}));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(lease.lost.aborted).toBe(true);
    await lease.release();
    expect(await readFile(scratch('lease'), 'utf8')).toBe(owner({}));
  });
});
