/** Values that stay on a device: on the CPU everywhere, on WebGPU where the machine has it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MOVE_GRAPH } from '../../src/engine/capi/move-graph.ts';
import { openSession } from '../../src/engine/open-session.ts';
import type { DeviceMemory, DeviceTensor, Session } from '../../src/engine/session.ts';
import { float32Tensor, zeros } from '../../src/engine/tensor.ts';
import { testedDevices } from '../helpers/devices.ts';
import { float, int64 } from './graphs.ts';
import { onnxBytes } from './onnx-bytes.ts';

const cache = (name: string) => float(name, 'rows', 'heads', 'capacity', 'head_size');

/** y = x + x over a cache: brings numbers to the device, and back. */
const doubled = onnxBytes({
  nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
  inputs: [cache('x')],
  outputs: [cache('y')],
});

describe.each(await testedDevices())('the memory of %s', (device) => {
  let session: Session;
  let memory: DeviceMemory;
  beforeAll(async () => {
    session = await openSession(doubled, { device, runtime: 'capi' });
    memory = session.deviceMemory!;
  });
  afterAll(() => session.dispose());

  /** Twice what the tensor holds, as the graph sees it. */
  const read = async (tensor: DeviceTensor): Promise<number[]> => {
    const y = zeros('float32', tensor.shape);
    const binding = session.createBinding().input('x', tensor).output('y', y);
    await binding.run();
    await binding.dispose();
    return [...y.data];
  };
  /** A tensor on the device with twice these numbers. */
  const write = async (shape: [number, number, number, number], values: readonly number[]): Promise<DeviceTensor> => {
    const tensor = await memory.zeros(shape);
    const binding = session.createBinding();
    await binding
      .input('x', float32Tensor(Float32Array.from(values), shape))
      .output('y', tensor)
      .run();
    await binding.dispose();
    return tensor;
  };

  it('begins with zeros', async () => {
    const tensor = await memory.zeros([2, 1, 2, 3]);
    expect(tensor).toMatchObject({ dtype: 'float32', shape: [2, 1, 2, 3], sizeBytes: 48 });
    expect(await read(tensor)).toEqual(new Array(12).fill(0));
    tensor.dispose();
  });

  it('keeps what one run wrote for the next', async () => {
    const tensor = await write([1, 1, 2, 2], [1, 2, 3, 4]);
    expect(await read(tensor)).toEqual([4, 8, 12, 16]);
    tensor.dispose();
  });

  it('moves rows: copied, reordered, dropped, cut and with more room', async () => {
    const tensor = await write([2, 1, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
    const move = async (parents: number[], length: number, capacity: number): Promise<number[]> => {
      const moved = await memory.move(tensor, { parents, length, capacity });
      expect(moved.shape).toEqual([parents.length, 1, capacity, 2]);
      const values = await read(moved);
      moved.dispose();
      return values.map((value) => value / 4);
    };
    expect(await move([1, 0], 2, 2)).toEqual([5, 6, 7, 8, 1, 2, 3, 4]);
    expect(await move([1, 1, 0], 1, 2)).toEqual([5, 6, 0, 0, 5, 6, 0, 0, 1, 2, 0, 0]);
    expect(await move([0], 2, 3)).toEqual([1, 2, 3, 4, 0, 0]);
    expect(await move([0], 0, 1)).toEqual([0, 0]);
    tensor.dispose();
  });

  it('refuses a tensor that was disposed, and one of another shape than the graph has', async () => {
    const tensor = await memory.zeros([1, 1, 1, 1]);
    const binding = session.createBinding();
    expect(() => binding.input('x', { ...tensor, shape: [1, 1] } as DeviceTensor)).toThrow('expected float32 [rows');
    tensor.dispose();
    tensor.dispose(); // twice is once
    expect(() => binding.output('y', tensor)).toThrow('has been disposed');
  });

  it('goes with its session, used or not', async () => {
    const other = await openSession(doubled, { device, runtime: 'capi' });
    const tensor = await other.deviceMemory!.zeros([1, 1, 1, 1]);
    await other.dispose();
    tensor.dispose();
    expect(() => session.createBinding().output('y', tensor)).toThrow('has been disposed');
  });

  it('gets a constant input once, any other before each run', async () => {
    const x = zeros('float32', [1, 1, 1, 2]);
    const y = zeros('float32', [1, 1, 1, 2]);
    const binding = session.createBinding().input('x', x).output('y', y);
    for (const value of [1, 2]) {
      x.data.fill(value);
      await binding.run();
      expect([...y.data]).toEqual([2 * value, 2 * value]);
    }
    binding.input('x', x, { constant: true });
    await binding.run();
    x.data.fill(9);
    await binding.run();
    // main memory is read in place; a device still has what it got
    expect([...y.data]).toEqual(device === 'cpu' ? [18, 18] : [4, 4]);
    await binding.dispose();
  });
});

describe('the JavaScript API', () => {
  it('has no memory of a device', async () => {
    const session = await openSession(doubled, { runtime: 'node' });
    expect(session.deviceMemory).toBeUndefined();
    const capi = await openSession(doubled, { runtime: 'capi' });
    const tensor = await capi.deviceMemory!.zeros([1, 1, 1, 1]);
    expect(() => session.createBinding().input('x', tensor)).toThrow('another runtime');
    await Promise.all([session.dispose(), capi.dispose()]);
  });
});

describe('the graph that moves rows', () => {
  it('is the one that its comment describes', () => {
    const described = onnxBytes({
      nodes: [
        { op: 'Slice', inputs: ['cache', 'start', 'length', 'axis'], outputs: ['kept'] },
        { op: 'Gather', inputs: ['kept', 'parents'], outputs: ['chosen'], attributes: { axis: 0n } },
        { op: 'Expand', inputs: ['zero', 'room'], outputs: ['rest'] },
        { op: 'Concat', inputs: ['chosen', 'rest'], outputs: ['moved'], attributes: { axis: 2n } },
      ],
      inputs: [cache('cache'), int64('parents', 'next_rows'), int64('length', 1), int64('room', 4)],
      outputs: [float('moved', 'next_rows', 'heads', 'next_capacity', 'head_size')],
      constants: [
        { name: 'start', type: 'int64', shape: [1], data: BigInt64Array.of(0n) },
        { name: 'axis', type: 'int64', shape: [1], data: BigInt64Array.of(2n) },
        { name: 'zero', type: 'float32', shape: [1], data: Float32Array.of(0) },
      ],
    });
    expect(Buffer.from(MOVE_GRAPH).equals(described)).toBe(true);
  });
});
