import { afterEach, describe, expect, it } from 'vitest';
import { openSession } from '../../src/engine/open-session.ts';
import type { Session } from '../../src/engine/session.ts';
import { float32Tensor, type Tensor, zeros } from '../../src/engine/tensor.ts';
import { UnsupportedError, UsageError } from '../../src/util/errors.ts';
import { arithmetic, attention, identityMatrix, matrixPower } from './graphs.ts';

const HEADS = 2;
const HEAD_SIZE = 8;
const MAX_LENGTH = 16;
const WIDTH = HEADS * HEAD_SIZE;

const open: Session[] = [];
afterEach(async () => {
  for (const session of open.splice(0)) await session.dispose();
});

describe.each(['capi', 'node'] as const)('a binding through the %s runtime', (runtime) => {
  const load = async (model: Uint8Array): Promise<Session> => {
    const session = await openSession(model, { runtime });
    open.push(session);
    return session;
  };

  it('reads and writes the arrays it was given, run after run', async () => {
    const session = await load(arithmetic);
    const x = zeros('float32', [1, 2]);
    const sum = zeros('float32', [1, 2]);
    const binding = session.createBinding();
    binding
      .input('x', x)
      .input('ids', zeros('int64', [1, 1]))
      .output('sum', sum);
    x.data.set([1, 2]);
    await binding.run();
    expect([...sum.data]).toEqual([2, 4]);
    x.data.set([-3, 0.5]);
    await binding.run();
    expect([...sum.data]).toEqual([-6, 1]);
  });

  it('updates a KV cache in place: token by token gives what the whole sequence gives', async () => {
    const session = await load(attention({ heads: HEADS, headSize: HEAD_SIZE }));
    const qkv = Float32Array.from({ length: MAX_LENGTH * 3 * WIDTH }, (_, i) => Math.sin(i * 1.7));
    const expected = causalAttention(qkv);
    // the same array as past and as present
    const key = zeros('float32', [1, HEADS, MAX_LENGTH, HEAD_SIZE]);
    const value = zeros('float32', [1, HEADS, MAX_LENGTH, HEAD_SIZE]);
    const step = (length: number) => {
      const input = zeros('float32', [1, length, 3 * WIDTH]);
      const attended = zeros('float32', [1, length, WIDTH]);
      const lastIndex = zeros('int32', [1]);
      const totalLength = zeros('int32', []);
      const binding = session.createBinding();
      binding.input('qkv', input).input('seqlens_k', lastIndex).input('total_length', totalLength);
      binding.input('past.key', key).output('present.key', key);
      binding.input('past.value', value).output('present.value', value).output('attended', attended);
      return async (past: number): Promise<Float32Array> => {
        input.data.set(qkv.subarray(past * 3 * WIDTH, (past + length) * 3 * WIDTH));
        lastIndex.data[0] = past + length - 1;
        totalLength.data[0] = past + length;
        await binding.run();
        return attended.data;
      };
    };
    const [prefill, decode] = [step(6), step(1)];
    expectClose(await prefill(0), expected.subarray(0, 6 * WIDTH));
    for (let token = 6; token < MAX_LENGTH; token++)
      expectClose(await decode(token), expected.subarray(token * WIDTH, (token + 1) * WIDTH));
    expect([...key.data].every((number) => number !== 0)).toBe(true); // every position was written into our array
  });

  it('takes another tensor for a name in place of the first', async () => {
    const session = await load(arithmetic);
    const sum = zeros('float32', [1, 2]);
    const binding = session
      .createBinding()
      .input('ids', zeros('int64', [1, 1]))
      .output('sum', sum);
    for (const number of [1, 2, 3]) {
      await binding.input('x', float32Tensor(Float32Array.of(number, 0), [1, 2])).run();
      expect(sum.data[0]).toBe(2 * number);
    }
  });

  it('runs several bindings of one session at once', async () => {
    const session = await load(matrixPower(4));
    const runs = Array.from({ length: 6 }, async (_, i) => {
      const y = zeros('float32', [32, 32]);
      const x = float32Tensor(
        identityMatrix(32).map((value) => value * (i + 1)),
        [32, 32],
      );
      await session.createBinding().input('x', x).output('y', y).run();
      return y.data[33];
    });
    expect(await Promise.all(runs)).toEqual([1, 32, 243, 1024, 3125, 7776]);
  });

  it('refuses names, types and shapes that the graph does not have, and stays usable', async () => {
    const session = await load(arithmetic);
    const sum = zeros('float32', [1, 2]);
    const binding = session
      .createBinding()
      .input('ids', zeros('int64', [1, 1]))
      .output('sum', sum);
    const x = float32Tensor(Float32Array.of(1, 1), [1, 2]);
    expect(() => binding.input('y', x)).toThrow('the graph has no input "y"; it has x, ids');
    expect(() => binding.output('y', x)).toThrow('the graph has no output "y"; it has sum, product, twice');
    expect(() => binding.input('x', zeros('int32', [1, 2]))).toThrow('expected float32 [batch_size, 2], found int32');
    await expect(binding.run()).rejects.toThrow('missing inputs: "x"');
    await binding.input('x', x).run();
    expect([...sum.data]).toEqual([2, 2]);
    await expect(
      session
        .createBinding()
        .input('x', x)
        .input('ids', zeros('int64', [1, 1]))
        .run(),
    ).rejects.toThrow('no output is bound');
  });

  it('refuses an output array whose shape is not what the run computes', async () => {
    const session = await load(arithmetic);
    const binding = session
      .createBinding()
      .input('x', zeros('float32', [3, 2]))
      .input('ids', zeros('int64', [1, 1]));
    const error: unknown = await binding
      .output('sum', zeros('float32', [1, 2]))
      .run()
      .catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as Error).message).toContain("output 'sum'");
  });

  it('does not run twice at once, nor change while it runs', async () => {
    const session = await load(matrixPower(20));
    const x = float32Tensor(identityMatrix(128), [128, 128]);
    const binding = session
      .createBinding()
      .input('x', x)
      .output('y', zeros('float32', [128, 128]));
    const first = binding.run();
    await expect(binding.run()).rejects.toMatchObject({ code: 'binding-busy' });
    expect(() => binding.input('x', x)).toThrow(UsageError);
    await first;
    await binding.run();
  });

  it('ends with its session, after the run under way', async () => {
    const session = await load(matrixPower(20));
    const y = zeros('float32', [128, 128]);
    const x = float32Tensor(identityMatrix(128), [128, 128]);
    const binding = session.createBinding().input('x', x).output('y', y);
    let finished = false;
    const run = binding.run().then(() => {
      finished = true;
    });
    await session.dispose();
    expect(finished).toBe(true);
    await run;
    expect(y.data[129]).toBe(1);
    await expect(binding.run()).rejects.toThrow(/disposed/);
    await binding.dispose();
  });
});

describe('a synchronous run', () => {
  const bind = async (runtime: 'capi' | 'node') => {
    const session = await openSession(arithmetic, { runtime });
    open.push(session);
    const x = float32Tensor(Float32Array.of(1, 2), [1, 2]);
    const sum: Tensor<'float32'> = zeros('float32', [1, 2]);
    const binding = session
      .createBinding()
      .input('x', x)
      .input('ids', zeros('int64', [1, 1]))
      .output('sum', sum);
    return { binding, sum };
  };

  it('is there with the C API', async () => {
    const { binding, sum } = await bind('capi');
    binding.runSync();
    expect([...sum.data]).toEqual([2, 4]);
  });

  it('is refused by the JavaScript API', async () => {
    const { binding } = await bind('node');
    expect(() => binding.runSync()).toThrow(UnsupportedError);
  });
});

/** softmax(q · kᵀ / √d) · v per head, each position over itself and those before it; qkv is (tokens, 3 · width). */
function causalAttention(qkv: Float32Array): Float32Array {
  const tokens = qkv.length / (3 * WIDTH);
  const at = (token: number, part: 0 | 1 | 2, head: number, i: number): number =>
    qkv[token * 3 * WIDTH + part * WIDTH + head * HEAD_SIZE + i]!;
  const result = new Float32Array(tokens * WIDTH);
  for (let token = 0; token < tokens; token++)
    for (let head = 0; head < HEADS; head++) {
      const weights = Array.from({ length: token + 1 }, (_, past) => {
        let dot = 0;
        for (let i = 0; i < HEAD_SIZE; i++) dot += at(token, 0, head, i) * at(past, 1, head, i);
        return Math.exp(dot / Math.sqrt(HEAD_SIZE));
      });
      const total = weights.reduce((sum, weight) => sum + weight);
      for (let i = 0; i < HEAD_SIZE; i++)
        result[token * WIDTH + head * HEAD_SIZE + i] = weights.reduce(
          (sum, weight, past) => sum + (weight / total) * at(past, 2, head, i),
          0,
        );
    }
  return result;
}

function expectClose(found: Float32Array, expected: Float32Array): void {
  expect(found.length).toBe(expected.length);
  const difference = found.reduce((worst, number, i) => Math.max(worst, Math.abs(number - expected[i]!)), 0);
  expect(difference).toBeLessThan(1e-5);
}
