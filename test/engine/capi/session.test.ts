import { afterEach, describe, expect, it } from 'vitest';
import { openSession, type SessionOptions } from '../../../src/engine/open-session.ts';
import type { Session } from '../../../src/engine/session.ts';
import { float32Tensor, zeros } from '../../../src/engine/tensor.ts';
import { arithmetic, float, identityMatrix, matrixPower } from '../graphs.ts';
import { onnxBytes } from '../onnx-bytes.ts';

// about a second: 400 products of 640 × 640 matrices, 0.5 GFLOP each
const SIZE = 640;
const long = matrixPower(400);
const matrix = float32Tensor(identityMatrix(SIZE), [SIZE, SIZE]);

const open: Session[] = [];
const load = async (model: Uint8Array, options: SessionOptions = {}): Promise<Session> => {
  const session = await openSession(model, { runtime: 'capi', ...options });
  open.push(session);
  return session;
};
afterEach(async () => {
  for (const session of open.splice(0)) await session.dispose();
});

/** Aborts after 100 ms and gives the time until the run rejects, with the reason. */
async function abortAfter100ms(start: (signal: AbortSignal) => Promise<unknown>) {
  const controller = new AbortController();
  const reason = new Error('enough');
  const run = start(controller.signal);
  let abortedAt = 0;
  setTimeout(() => {
    abortedAt = performance.now();
    controller.abort(reason);
  }, 100);
  const outcome: unknown = await run.then(
    () => 'a result',
    (error: unknown) => error,
  );
  return { outcome, reason, milliseconds: performance.now() - abortedAt };
}

describe('a long run through the C API', () => {
  it('leaves the event loop free', async () => {
    const session = await load(long);
    let beats = 0;
    let longestGap = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      beats++;
      longestGap = Math.max(longestGap, performance.now() - last);
      last = performance.now();
    }, 5);
    const start = performance.now();
    const { y } = await session.run({ x: matrix }, ['y']);
    clearInterval(timer);
    const elapsed = performance.now() - start;
    expect(y!.data[SIZE + 1]).toBe(1);
    expect(elapsed).toBeGreaterThan(200);
    expect(beats).toBeGreaterThan(elapsed / 50); // ideal: elapsed / 5; other processes share these cores
    expect(longestGap).toBeLessThan(elapsed / 2);
  });

  it('ends within 200 ms of being aborted, with the reason, and the session goes on', async () => {
    const session = await load(long);
    const { outcome, reason, milliseconds } = await abortAfter100ms((signal) =>
      session.run({ x: matrix }, ['y'], { signal }),
    );
    expect(outcome).toBe(reason);
    expect(milliseconds).toBeLessThan(200);
    const small = float32Tensor(identityMatrix(8), [8, 8]);
    expect((await session.run({ x: small }, ['y'])).y!.data[9]).toBe(1);
  });

  it('can be aborted in a binding too', async () => {
    const session = await load(long);
    const binding = session
      .createBinding()
      .input('x', matrix)
      .output('y', zeros('float32', [SIZE, SIZE]));
    const { outcome, reason, milliseconds } = await abortAfter100ms((signal) => binding.run({ signal }));
    expect(outcome).toBe(reason);
    expect(milliseconds).toBeLessThan(200);
  });

  it('can be aborted while it waits for others', async () => {
    const session = await load(long);
    const others = new AbortController();
    const running = Array.from({ length: 5 }, () =>
      session.run({ x: matrix }, ['y'], { signal: others.signal }).catch(() => 'aborted'),
    );
    const { outcome, reason, milliseconds } = await abortAfter100ms((signal) =>
      session.run({ x: matrix }, ['y'], { signal }),
    );
    expect(outcome).toBe(reason);
    expect(milliseconds).toBeLessThan(50);
    others.abort();
    expect(await Promise.all(running)).toEqual(Array(5).fill('aborted'));
  });
});

describe('inputs with a default', () => {
  // y = x + bias, bias = [1] unless fed
  const model = onnxBytes({
    nodes: [{ op: 'Add', inputs: ['x', 'bias'], outputs: ['y'] }],
    inputs: [float('x', 'n'), float('bias', 1)],
    outputs: [float('y', 'n')],
    constants: [{ name: 'bias', type: 'float32', shape: [1], data: Float32Array.of(1) }],
  });
  const x = float32Tensor(Float32Array.of(1, 2), [2]);

  it('are listed as optional and may be fed or not', async () => {
    const session = await load(model);
    expect(session.inputs.map(({ name, optional }) => [name, optional])).toEqual([
      ['x', false],
      ['bias', true],
    ]);
    expect([...(await session.run({ x }, ['y'])).y!.data]).toEqual([2, 3]);
    const bias = float32Tensor(Float32Array.of(10), [1]);
    expect([...(await session.run({ x, bias }, ['y'])).y!.data]).toEqual([11, 12]);
  });

  it('may be bound', async () => {
    const session = await load(model);
    const y = zeros('float32', [2]);
    const bias = float32Tensor(Float32Array.of(10), [1]);
    await session.createBinding().input('x', x).input('bias', bias).output('y', y).run();
    expect([...y.data]).toEqual([11, 12]);
  });
});

describe('settings', () => {
  it.each(['none', 'basic', 'extended', 'all'] as const)('optimization "%s" gives the same numbers', async (level) => {
    const session = await load(arithmetic, { optimization: level, threads: 2 });
    const feeds = { x: float32Tensor(Float32Array.of(3, 4), [1, 2]), ids: zeros('int64', [1, 1]) };
    expect([...(await session.run(feeds, ['product'])).product!.data]).toEqual([9, 16]);
  });

  it('passes configuration entries on', async () => {
    // an entry that ONNX Runtime checks: proof that it arrives
    const config = { 'session.intra_op_thread_affinities': 'nonsense' };
    await expect(load(arithmetic, { config, threads: 2 })).rejects.toThrow('nonsense');
  });
});
