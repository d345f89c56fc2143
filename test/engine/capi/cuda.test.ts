import { copyFileSync, mkdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { besideProvider, diagnoseCuda, PROVIDER_FILES, providerOptions } from '../../../src/engine/capi/cuda.ts';
import { libraryPath } from '../../../src/engine/capi/library.ts';
import { parseDevice } from '../../../src/engine/device.ts';
import { scratchFolder } from '../../helpers/scratch.ts';

const home = scratchFolder('cuda');
const folder = path.join(home, 'cuda');
const own = path.join(home, 'npm', 'libonnxruntime.so.1');

beforeEach(() => {
  vi.stubEnv('FSB_HOME', home);
  mkdirSync(folder, { recursive: true });
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const putProvider = (content = 'no library'): void => {
  for (const name of PROVIDER_FILES) writeFileSync(path.join(folder, name), content);
};

describe('options of the CUDA provider', () => {
  it('name the device and keep float32 what it is', () => {
    expect(providerOptions(parseDevice('cuda:2'))).toEqual({ device_id: '2', use_tf32: '0' });
  });
});

describe.skipIf(process.platform !== 'linux' || process.arch !== 'x64')("CUDA's provider files", () => {
  const cuda = parseDevice('cuda');

  it('are looked for beside onnxruntime-node and in FSB_HOME/cuda', async () => {
    const [problem, ...others] = await diagnoseCuda(own, cuda);
    expect(problem).toContain(`neither in ${path.dirname(own)} nor in ${folder}`);
    expect(problem).toContain('onnxruntime-gpu 1.30.0');
    expect(others).toEqual([]);
    expect(besideProvider(own)).toBe(own);
  });

  it('get a link to the library beside them, made anew when it points elsewhere', () => {
    putProvider();
    const link = path.join(folder, 'libonnxruntime.so.1');
    expect(besideProvider('/elsewhere/libonnxruntime.so.1')).toBe(link);
    expect(besideProvider(own)).toBe(link);
    expect(readlinkSync(link)).toBe(own);
  });

  it('that are no libraries are named', async () => {
    putProvider();
    expect(await diagnoseCuda(own, cuda)).toEqual([expect.stringContaining(`${PROVIDER_FILES[1]}: expected a 64-bit`)]);
  });

  it('that need nothing of NVIDIA give no reason of ours', async () => {
    for (const name of PROVIDER_FILES) copyFileSync(libraryPath(), path.join(folder, name));
    expect(await diagnoseCuda(own, cuda)).toEqual([]);
  });
});
