import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { createProfileFolder, type ProfileFolder, summarize } from '../../src/engine/profile.ts';

const node = (name: string, op_name: string, provider: string, dur: number, output_size = '0') => ({
  cat: 'Node',
  name: `${name}_kernel_time`,
  dur,
  args: { op_name, provider, output_size },
});
const run = { cat: 'Session', name: 'model_run', dur: 99, args: {} };
const [CPU, WEBGPU] = ['CPUExecutionProvider', 'WebGpuExecutionProvider'];

describe('a recording', () => {
  it('is added up by operator and device, longest first', async () => {
    const events = [
      node('/a/MatMul', 'MatMul', CPU, 5),
      node('/b/MatMul', 'MatMul', CPU, 6),
      node('/a/Add', 'Add', CPU, 20),
      run,
      node('/a/MatMul', 'MatMul', CPU, 7),
      node('/b/MatMul', 'MatMul', CPU, 8),
      node('/a/Add', 'Add', CPU, 2),
      run,
    ];
    expect(await summarize(events)).toEqual({
      operators: [
        { operator: 'MatMul', device: 'cpu', nodes: 2, calls: 4, microseconds: 26 },
        { operator: 'Add', device: 'cpu', nodes: 1, calls: 2, microseconds: 22 },
      ],
      copies: [
        { toDeviceBytes: 0, toHostBytes: 0 },
        { toDeviceBytes: 0, toHostBytes: 0 },
      ],
    });
  });

  it("takes a GPU's time from the GPU's clock, and counts what copies inside the graph move", async () => {
    const { operators, copies } = await summarize([
      node('/a/Shape', 'Shape', CPU, 3),
      node('Memcpy', 'MemcpyFromHost', WEBGPU, 1, '16'),
      node('/a/MatMul', 'MatMul', WEBGPU, 2),
      { cat: 'Api', name: '/a/MatMul&MatMul&MatMulNaive', dur: 500, args: {} },
      node('Memcpy_1', 'MemcpyToHost', WEBGPU, 1, '400'),
      run,
    ]);
    expect(operators.slice(0, 2)).toEqual([
      { operator: 'MatMul', device: 'webgpu', nodes: 1, calls: 1, microseconds: 500 },
      { operator: 'Shape', device: 'cpu', nodes: 1, calls: 1, microseconds: 3 },
    ]);
    expect(copies).toEqual([{ toDeviceBytes: 16, toHostBytes: 400 }]);
  });
});

describe('the file of a recording', () => {
  let folder: ProfileFolder | undefined;
  afterEach(() => folder?.remove());

  it('is an array with an event per line', async () => {
    folder = await createProfileFolder();
    const events = [node('/a/Add', 'Add', 'SomeExecutionProvider', 1), run].map((event) => JSON.stringify(event));
    writeFileSync(`${folder.prefix}_2026.json`, `[\n${events.join(',\n')}\n]\n`);
    expect((await folder.read()).operators).toMatchObject([{ operator: 'Add', device: 'SomeExecutionProvider' }]);
  });

  it('may be absent: nothing was recorded', async () => {
    folder = await createProfileFolder();
    expect(await folder.read()).toEqual({ operators: [], copies: [] });
  });

  it('that is broken is an error with the line', async () => {
    folder = await createProfileFolder();
    writeFileSync(`${folder.prefix}_2026.json`, '[\n{"cat" : "Node", "na\n');
    await expect(folder.read()).rejects.toMatchObject({
      code: 'malformed-profile',
      message: expect.stringContaining('line 2'),
    });
  });
});
