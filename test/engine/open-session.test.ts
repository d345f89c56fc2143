import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SessionOptions } from '../../src/engine/open-session.ts';
import { float32Tensor } from '../../src/engine/tensor.ts';
import { TINY_GRAPH } from '../../src/engine/tiny-graph.ts';

/** The module anew, as in a process that has not opened anything yet. */
async function freshOpenSession() {
  vi.resetModules();
  return (await import('../../src/engine/open-session.ts')).openSession;
}

const x = float32Tensor(Float32Array.of(1, 2), [2]);

beforeEach(() => vi.stubEnv('FSB_RUNTIME', undefined));
afterEach(() => {
  vi.unstubAllEnvs();
  vi.doUnmock('koffi');
  vi.doUnmock('../../src/engine/capi/self-test.ts');
});

describe('openSession chooses the runtime', () => {
  it('the C API by default', async () => {
    const openSession = await freshOpenSession();
    const warnings: string[] = [];
    const session = await openSession(TINY_GRAPH, { onWarning: (message) => warnings.push(message) });
    expect(session.runtime).toBe('capi');
    expect(warnings).toEqual([]);
    await session.dispose();
  });

  it('that FSB_RUNTIME names, unless the caller names one', async () => {
    vi.stubEnv('FSB_RUNTIME', 'node');
    const openSession = await freshOpenSession();
    const warnings: string[] = [];
    const byVariable = await openSession(TINY_GRAPH, { onWarning: (message) => warnings.push(message) });
    const byOption = await openSession(TINY_GRAPH, { runtime: 'capi' });
    expect([byVariable.runtime, byOption.runtime]).toEqual(['node', 'capi']);
    expect(warnings).toEqual([]); // it was asked for
    await Promise.all([byVariable.dispose(), byOption.dispose()]);
  });

  it('and refuses names that are none', async () => {
    const openSession = await freshOpenSession();
    await expect(openSession(TINY_GRAPH, { runtime: 'wasm' } as unknown as SessionOptions)).rejects.toMatchObject({
      code: 'unknown-runtime',
      exitCode: 2,
    });
  });
});

/** How the C API can be missing, and what is then said. */
const OBSTACLES = {
  'koffi cannot be loaded': () =>
    vi.doMock('koffi', () => ({
      get default(): never {
        throw new Error('Cannot find the native Koffi module');
      },
    })),
  'its self-test fails': () =>
    vi.doMock('../../src/engine/capi/self-test.ts', () => ({
      testLibrary: async () => ({ ok: false, failure: 'after calling Run: nonsense', providers: [], functions: [] }),
    })),
};

describe.each([
  ['koffi cannot be loaded', 'Cannot find the native Koffi module'],
  ['its self-test fails', 'after calling Run: nonsense'],
] as const)('when %s', (obstacle, reason) => {
  beforeEach(() => {
    OBSTACLES[obstacle]();
  });

  it('auto falls back to the JavaScript API, works, and says why', async () => {
    const openSession = await freshOpenSession();
    const warnings: string[] = [];
    const session = await openSession(TINY_GRAPH, { runtime: 'auto', onWarning: (message) => warnings.push(message) });
    expect(session.runtime).toBe('node');
    expect([...(await session.run({ x }, ['y'])).y!.data]).toEqual([2, 3]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(reason);
    expect(warnings[0]).toContain('JavaScript API');
    await session.dispose();
  });

  it('auto without onWarning makes it a warning of the process', async () => {
    const emitted = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const openSession = await freshOpenSession();
    await (await openSession(TINY_GRAPH)).dispose();
    expect(emitted.mock.calls.flat().join()).toContain(reason);
    emitted.mockRestore();
  });

  it('capi is an error with the reason', async () => {
    const openSession = await freshOpenSession();
    const error: unknown = await openSession(TINY_GRAPH, { runtime: 'capi' }).catch((error: unknown) => error);
    expect(error).toMatchObject({ name: 'UnsupportedError', code: 'runtime-unavailable', exitCode: 8 });
    expect((error as Error).message).toContain(reason);
  });
});

describe.each(['capi', 'node'] as const)('a device through the %s runtime', (runtime) => {
  const open = async (device: string) => (await freshOpenSession())(TINY_GRAPH, { runtime, device });

  it('auto is the CPU, and says so', async () => {
    const session = await open('auto');
    expect(session.device).toBe('cpu');
    await session.dispose();
  });

  it.each(['webgpu', 'cuda', 'dml', 'coreml'])('%s works, or fails with exit code 8 and the reason', async (device) => {
    const outcome = await open(device).catch((error: unknown) => error);
    if (!(outcome instanceof Error)) {
      console.warn(`${device} is available on this machine: checking a result instead of the error`);
      const session = outcome as Awaited<ReturnType<typeof open>>;
      expect([...(await session.run({ x }, ['y'])).y!.data]).toEqual([2, 3]);
      return session.dispose();
    }
    expect(outcome).toMatchObject({ name: 'UnsupportedError', code: 'device-unavailable', exitCode: 8 });
    expect(outcome.message).toMatch(new RegExp(`^device ${device}(:0)? is not available: .{10,}`));
    expect(outcome).toHaveProperty('hint', expect.stringMatching(/needs/));
  });

  it('a malformed graph is an error about the graph', async () => {
    const openSession = await freshOpenSession();
    await expect(openSession(Uint8Array.of(1, 2, 3), { runtime })).rejects.toMatchObject({ code: 'malformed-model' });
  });
});

describe('threads', () => {
  it.each([-1, 1.5, Number.NaN, 5000])('%s is refused', async (threads) => {
    const openSession = await freshOpenSession();
    await expect(openSession(TINY_GRAPH, { threads })).rejects.toMatchObject({ code: 'bad-threads', exitCode: 2 });
  });
});
