import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { int8Config, openSession } from '../../src/engine/open-session.ts';
import { INT8_GRAPH, saturatesInt8 } from '../../src/engine/saturation.ts';
import { saturationError } from './saturation.ts';

/** Emulates processors in user mode (Debian: qemu-user); from version 7.2 on with AVX2. */
const QEMU = ['/usr/bin/qemu-x86_64', '/usr/bin/qemu-x86_64-static'].find(existsSync);
const canEmulate = QEMU !== undefined && process.arch === 'x64';
if (!canEmulate)
  console.warn('not run: int8 on an emulated processor without VNNI, which needs qemu-x86_64 on x64 Linux');

const MAIN = fileURLToPath(new URL('./saturation-main.ts', import.meta.url));

/** What MAIN prints. The emulator itself crashes now and then with what Node 24 compiles: that is tried again. */
async function emulate(attempts: number): Promise<string> {
  const args = ['-cpu', 'Haswell', process.execPath, '--import', 'tsx', MAIN];
  try {
    return (await promisify(execFile)(QEMU!, args, { timeout: 55_000 })).stdout;
  } catch (error) {
    if (attempts === 1 || (error as { signal?: string }).signal !== 'SIGSEGV') throw error;
    return emulate(attempts - 1);
  }
}

describe('int8 products', () => {
  it('do not saturate on this processor', async () => {
    expect(await saturationError('guarded')).toBeLessThan(0.005);
  });

  it('are left to the fast kernels where those are exact', async () => {
    // the exact ones take twice the time
    const session = await openSession(INT8_GRAPH, { threads: 1, config: { 'session.x64quantprecision': '0' } });
    const isExact = !(await saturatesInt8(session));
    await session.dispose();
    expect(await int8Config({})).toEqual(isExact ? {} : { 'session.x64quantprecision': '1' });
  });

  it.skipIf(!canEmulate)('do not saturate on AVX2 without VNNI, where they would without the guard', async () => {
    const { guarded, unguarded } = JSON.parse(await emulate(3)) as Record<'guarded' | 'unguarded', number>;
    expect(guarded).toBeLessThan(0.005);
    expect(unguarded).toBeGreaterThan(0.1);
  });
});
