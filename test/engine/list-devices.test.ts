import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { listDevices, probeDevice } from '../../src/engine/list-devices.ts';

// probes are processes of their own; the sources they run need the hooks on Node 20
beforeAll(() => {
  vi.stubEnv('NODE_OPTIONS', `--import ${new URL('typescript-hooks.mjs', import.meta.url).href}`);
});
afterAll(() => vi.unstubAllEnvs());

describe('listDevices', () => {
  it('tries every device for real, each with a reason when it does not work, and prints nothing', async () => {
    const written = vi.spyOn(process.stderr, 'write');
    const devices = await listDevices();
    expect(written).not.toHaveBeenCalled();
    written.mockRestore();
    expect(devices.map(({ device }) => device.replace(/:\d+$/, ''))).toEqual([
      'cpu',
      'webgpu',
      'cuda',
      'dml',
      'coreml',
    ]);
    expect(devices[0]).toEqual({ device: 'cpu', available: true });
    for (const { device, available, reason, hint } of devices.slice(1)) {
      if (available) console.warn(`${device} is available on this machine`);
      else {
        expect(reason, device).toMatch(/.{10,}/);
        expect(hint, device).toMatch(/needs/);
      }
    }
    const impossible = process.platform === 'darwin' ? 'dml' : 'coreml';
    expect(devices.find(({ device }) => device === impossible)?.available).toBe(false);
  });

  it('reports a device that does not exist', async () => {
    expect(await probeDevice('tpu')).toMatchObject({
      device: 'tpu',
      available: false,
      reason: expect.stringContaining('unknown device "tpu"'),
    });
  });

  it('survives a probe that dies, with what it printed', async () => {
    vi.stubEnv(
      'NODE_OPTIONS',
      '--import data:text/javascript,console.error("driver%20trouble");process.kill(process.pid,"SIGSEGV")',
    );
    const report = await probeDevice('cpu');
    expect(report).toMatchObject({ device: 'cpu', available: false, reason: expect.stringContaining('the probe') });
    expect(report.reason).toContain('driver trouble');
  });
});
