import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const MB = 1e6;
const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Runs memory-child.ts, a process of its own, and gives the growth of its resident memory in MB. */
async function growthOf(scenario: 'sessions' | 'runs' | 'aborts'): Promise<number> {
  const args = ['--expose-gc', '--import', here('../typescript-hooks.mjs'), here('memory-child.ts'), scenario];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const { before, after } = JSON.parse(stdout) as { before: number; after: number };
  return (after - before) / MB;
}

// what stays is room in malloc's arenas, about 15 MB, and no more after 2000 sessions or 100 000 runs
describe('resident memory stays flat', () => {
  it('over 50 sessions of 1 MB opened, run and disposed after 10 to warm up: below 30 MB', async () => {
    expect(await growthOf('sessions')).toBeLessThan(30);
  });

  it('over 1000 runs with outputs of 1 MB each, after 100 to warm up: below 30 MB', async () => {
    expect(await growthOf('runs')).toBeLessThan(30);
  });

  it('over 1000 cancelled runs, after 100 to warm up: below 30 MB', async () => {
    expect(await growthOf('aborts')).toBeLessThan(30);
  });
});
