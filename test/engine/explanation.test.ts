import { readdirSync } from 'node:fs';
import os from 'node:os';
import { describe, expect, it } from 'vitest';
import { type Explanation, MAX_RECORDED_RUNS, RunRecorder } from '../../src/engine/explanation.ts';
import { openSession } from '../../src/engine/open-session.ts';
import { float32Tensor, int64Tensor, zeros } from '../../src/engine/tensor.ts';
import { int64 } from './graphs.ts';
import { onnxBytes } from './onnx-bytes.ts';

const NOTHING = { operators: [], copies: [] };
const ABOUT = { graph: 'model.onnx', device: 'webgpu', runtime: 'capi' } as const;

describe('a recorder', () => {
  const four = float32Tensor(new Float32Array(4), [4]);

  it('counts the bytes of values that live on the device, and copies inside the graph', () => {
    const recorder = new RunRecorder(
      (input) => input === 'on',
      () => true,
    );
    recorder.add(
      [
        ['on', four],
        ['off', four],
      ],
      [['y', four]],
      7,
    );
    recorder.add([], [], 1);
    const copies = [{ toDeviceBytes: 1, toHostBytes: 2 }];
    expect(recorder.explain(ABOUT, { operators: [], copies })).toEqual({
      ...ABOUT,
      runs: 2,
      recordedRuns: 2,
      operators: [],
      traffic: { tokens: 8, toDeviceBytes: 17, toHostBytes: 18 },
      lastRun: { tokens: 1, toDeviceBytes: 0, toHostBytes: 0 },
    });
  });

  it('stops at so many runs, and goes on counting them', () => {
    const recorder = new RunRecorder(
      () => true,
      () => true,
    );
    for (let i = 0; i < MAX_RECORDED_RUNS + 5; i++) recorder.add([['x', four]], [], 1);
    expect(recorder.isFull).toBe(true);
    expect(recorder.explain(ABOUT, NOTHING)).toMatchObject({
      runs: MAX_RECORDED_RUNS + 5,
      recordedRuns: MAX_RECORDED_RUNS,
      traffic: { tokens: MAX_RECORDED_RUNS, toDeviceBytes: 16 * MAX_RECORDED_RUNS },
    });
  });

  it('has no last run when nothing ran', () => {
    const recorder = new RunRecorder(
      () => true,
      () => true,
    );
    expect(recorder.explain(ABOUT, NOTHING)).toMatchObject({ runs: 0, lastRun: undefined });
  });
});

const ids = onnxBytes({
  nodes: [{ op: 'Add', inputs: ['input_ids', 'input_ids'], outputs: ['twice'] }],
  inputs: [int64('input_ids', 'batch_size', 'sequence_length')],
  outputs: [int64('twice', 'batch_size', 'sequence_length')],
});

describe.each(['capi', 'node'] as const)('a session that explains itself, through the %s runtime', (runtime) => {
  const profiles = (): string[] => readdirSync(os.tmpdir()).filter((name) => name.startsWith('fsb-profile-'));

  it('tells once it is disposed what ran where, and leaves no file', async () => {
    const before = profiles();
    const told: Explanation[] = [];
    const session = await openSession(ids, { runtime, device: 'cpu', onExplanation: (e) => told.push(e) });
    await session.run({ input_ids: int64Tensor([[1, 2, 3]]) }, ['twice']);
    const binding = session.createBinding();
    binding.input('input_ids', int64Tensor([[1], [2]])).output('twice', zeros('int64', [2, 1]));
    await binding.run();
    if (runtime === 'capi') binding.runSync();
    expect(told).toEqual([]);
    await session.dispose();
    const runs = runtime === 'capi' ? 3 : 2;
    expect(told).toMatchObject([
      {
        graph: 'the graph in memory',
        device: 'cpu',
        runtime,
        runs,
        recordedRuns: runs,
        operators: [{ operator: 'Add', device: 'cpu', nodes: 1, calls: runs }],
        traffic: { tokens: runtime === 'capi' ? 7 : 5, toDeviceBytes: 0, toHostBytes: 0 },
        lastRun: { tokens: 2, toDeviceBytes: 0, toHostBytes: 0 },
      },
    ]);
    expect(profiles().filter((name) => !before.includes(name))).toEqual([]);
  });

  it('records so many runs and no more', async () => {
    const told: Explanation[] = [];
    const session = await openSession(ids, { runtime, device: 'cpu', onExplanation: (e) => told.push(e) });
    for (let i = 0; i < MAX_RECORDED_RUNS + 3; i++) await session.run({ input_ids: int64Tensor([[1]]) }, ['twice']);
    await session.dispose();
    expect(told).toMatchObject([
      {
        runs: MAX_RECORDED_RUNS + 3,
        recordedRuns: MAX_RECORDED_RUNS,
        operators: [{ operator: 'Add', calls: MAX_RECORDED_RUNS }],
      },
    ]);
  });

  it('leaves no file when it cannot be opened', async () => {
    const before = profiles();
    const open = openSession(new Uint8Array([1, 2, 3]), { runtime, device: 'cpu', onExplanation: () => undefined });
    await expect(open).rejects.toMatchObject({ exitCode: 6 });
    expect(profiles().filter((name) => !before.includes(name))).toEqual([]);
  });
});
