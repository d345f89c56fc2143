/** Devices of this machine, for tests that run on each and are skipped aloud where there is none. */
import { listDevices } from '../../src/engine/list-devices.ts';

const HOOKS = new URL('../engine/typescript-hooks.mjs', import.meta.url).href;

/** "cpu", and "webgpu" where it works. */
export async function testedDevices(): Promise<string[]> {
  const former = process.env.NODE_OPTIONS;
  process.env.NODE_OPTIONS = `--import ${HOOKS}`; // probes are processes of their own; Node 20 needs hooks for .ts
  try {
    const reports = await listDevices();
    const webgpu = reports.find(({ device }) => device === 'webgpu');
    if (webgpu?.available) return ['cpu', 'webgpu'];
    console.warn(`webgpu is not tested here: ${webgpu?.reason}`);
    return ['cpu'];
  } finally {
    if (former === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = former;
  }
}
