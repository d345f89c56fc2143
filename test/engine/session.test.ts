import { afterEach, describe, expect, it } from 'vitest';
import { openSession, type SessionOptions } from '../../src/engine/open-session.ts';
import type { Session } from '../../src/engine/session.ts';
import { float32Tensor, int64Tensor, type Tensor, toNumbers, zeros } from '../../src/engine/tensor.ts';
import { IntegrityError, NotFoundError, ResourceError, UnsupportedError, UsageError } from '../../src/util/errors.ts';
import {
  arithmetic,
  casts,
  embedding,
  expansion,
  externalWeights,
  float,
  identities,
  identityMatrix,
  matrixPower,
  writeFiles,
} from './graphs.ts';
import { onnxBytes } from './onnx-bytes.ts';

const files = writeFiles({
  'arithmetic 图.onnx': arithmetic,
  'external.onnx': externalWeights('weights.bin'),
  'weights.bin': new Uint8Array(Float32Array.of(0, 1, 1, 0).buffer),
  'orphan.onnx': externalWeights('absent.bin'),
  'escaping.onnx': externalWeights('../../../../etc/hostname'),
  'short.onnx': externalWeights('short.bin'),
  'short.bin': new Uint8Array(7),
  'truncated.onnx': arithmetic.slice(0, arithmetic.length - 20),
  'text.onnx': new TextEncoder().encode('this is no graph'),
  'empty.onnx': new Uint8Array(0),
  'dangling.onnx': onnxBytes({
    nodes: [{ op: 'Add', inputs: ['x', 'nowhere'], outputs: ['y'] }],
    inputs: [float('x', 'n')],
    outputs: [float('y', 'n')],
  }),
  'unknown-operator.onnx': onnxBytes({
    nodes: [{ op: 'Enlighten', inputs: ['x'], outputs: ['y'] }],
    inputs: [float('x', 'n')],
    outputs: [float('y', 'n')],
  }),
});

const x = float32Tensor(Float32Array.of(1, 2, 3, -4), [2, 2]);
const ids = int64Tensor([[5, 6, 7], [8]]);

/** What both bindings promise. */
describe.each(['capi', 'node'] as const)('a session through the %s runtime', (runtime) => {
  const open: Session[] = [];
  const load = async (model: string | Uint8Array, options: SessionOptions = {}): Promise<Session> => {
    const session = await openSession(model, { runtime, ...options });
    open.push(session);
    return session;
  };
  afterEach(async () => {
    for (const session of open.splice(0)) await session.dispose();
  });

  it('says what it is: inputs, outputs, device, runtime', async () => {
    const session = await load(files['arithmetic 图.onnx']);
    expect(session.inputNames).toEqual(['x', 'ids']);
    expect(session.outputNames).toEqual(['sum', 'product', 'twice']);
    expect(session.inputs).toEqual([
      { name: 'x', dtype: 'float32', shape: ['batch_size', 2], optional: false },
      { name: 'ids', dtype: 'int64', shape: ['batch_size', 'sequence_length'], optional: false },
    ]);
    expect([session.runtime, session.device]).toEqual([runtime, 'cpu']);
  });

  it('computes what was asked for and nothing else', async () => {
    const session = await load(files['arithmetic 图.onnx'], { threads: 1 });
    const { twice, product, ...rest } = await session.run({ x, ids }, ['twice', 'product']);
    expect(rest).toEqual({});
    expect(product).toEqual({ dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 4, 9, 16) });
    expect(twice).toEqual({ dtype: 'int64', shape: [2, 3], data: BigInt64Array.of(10n, 12n, 14n, 16n, 0n, 0n) });
    expect(toNumbers(twice!)).toEqual([10, 12, 14, 16, 0, 0]);
  });

  it('keeps results valid after the session is gone', async () => {
    const session = await load(arithmetic);
    const { sum } = await session.run({ x, ids }, ['sum']);
    await session.dispose();
    expect([...sum!.data]).toEqual([2, 4, 6, -8]);
  });

  it('reads outputs of every dtype that can cross', async () => {
    const session = await load(casts);
    const names = ['float16', 'int64', 'int32', 'int8', 'uint8', 'bool'];
    const results = await session.run({ x: float32Tensor(Float32Array.of(0, 1, 2.5), [3]) }, names);
    expect(results.float16!.data).toEqual(Uint16Array.of(0, 0x3c00, 0x4100));
    expect(results.int64!.data).toEqual(BigInt64Array.of(0n, 1n, 2n));
    expect(results.int32!.data).toEqual(Int32Array.of(0, 1, 2));
    expect(results.int8!.data).toEqual(Int8Array.of(0, 1, 2));
    expect(results.uint8!.data).toEqual(Uint8Array.of(0, 1, 2));
    expect(results.bool!.data).toEqual(Uint8Array.of(0, 1, 1));
  });

  it('passes every dtype through, empty tensors and views into larger arrays included', async () => {
    const session = await load(identities);
    const dtypes = ['float32', 'float16', 'int64', 'int32', 'int8', 'uint8', 'bool'] as const;
    const feed = (tensorOf: (dtype: (typeof dtypes)[number]) => Tensor) =>
      Object.fromEntries(dtypes.map((dtype) => [`${dtype}_in`, tensorOf(dtype)]));
    const empty = await session.run(
      feed((dtype) => zeros(dtype, [0, 3])),
      dtypes,
    );
    for (const dtype of dtypes) expect(empty[dtype]).toEqual(zeros(dtype, [0, 3]));
    const view = float32Tensor(Float32Array.of(9, 1, 2, 9).subarray(1, 3), [1, 2]);
    const full = await session.run({ ...feed((dtype) => zeros(dtype, [1, 2])), float32_in: view }, ['float32']);
    expect(full.float32!.data).toEqual(Float32Array.of(1, 2));
  });

  it('maps weights from a file beside the graph', async () => {
    const session = await load(files['external.onnx']);
    const { y } = await session.run({ x }, ['y']);
    expect([...y!.data]).toEqual([2, 1, -4, 3]);
  });

  it('runs several calls on one session at once', async () => {
    const session = await load(matrixPower(4));
    const runs = Array.from({ length: 8 }, async (_, i) => {
      const data = identityMatrix(64).map((value) => value * (i + 1));
      const { y } = await session.run({ x: float32Tensor(data, [64, 64]) }, ['y']);
      return y!.data[0];
    });
    expect(await Promise.all(runs)).toEqual([1, 32, 243, 1024, 3125, 7776, 16807, 32768]);
  });

  it('waits for running calls when disposed, then refuses new ones; disposing twice is fine', async () => {
    const session = await load(matrixPower(50));
    const order: string[] = [];
    const run = session.run({ x: float32Tensor(identityMatrix(256), [256, 256]) }, ['y']).then(({ y }) => {
      order.push('run');
      return y!.data[257];
    });
    const disposed = Promise.all([session.dispose(), session.dispose()]).then(() => order.push('disposed'));
    await expect(session.run({}, ['y'])).rejects.toThrow(/session of .* has been disposed/);
    expect(() => session.createBinding()).toThrow(UsageError);
    expect(await run).toBe(1);
    await disposed;
    expect(order).toEqual(['run', 'disposed']);
    await session.dispose();
  });

  it('rejects with the reason of a signal that is aborted already', async () => {
    const session = await load(arithmetic);
    const reason = new Error('changed my mind');
    await expect(session.run({ x, ids }, ['sum'], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect([...(await session.run({ x, ids }, ['sum'])).sum!.data]).toEqual([2, 4, 6, -8]);
  });

  describe('says what is wrong with a call:', () => {
    const fails = async (model: Uint8Array, feeds: Record<string, Tensor>, outputs: string[]) => {
      const session = await load(model);
      return session.run(feeds, outputs).then(
        () => undefined,
        (error: unknown) => error as UsageError,
      );
    };

    it('an unknown input, with the names there are', async () => {
      const error = await fails(arithmetic, { x, input_ids: ids }, ['sum']);
      expect(error).toBeInstanceOf(UsageError);
      expect(error).toMatchObject({
        code: 'unknown-input',
        message: 'the graph has no input "input_ids"; it has x, ids',
      });
    });

    it('a missing input, with its type', async () => {
      const error = await fails(arithmetic, { x }, ['sum']);
      expect(error).toMatchObject({
        code: 'missing-input',
        message: 'missing inputs: "ids" (int64 [batch_size, sequence_length])',
      });
    });

    it('an unknown output, none, or one twice', async () => {
      expect(await fails(arithmetic, { x, ids }, ['logits'])).toMatchObject({
        code: 'unknown-output',
        message: 'the graph has no output "logits"; it has sum, product, twice',
      });
      expect(await fails(arithmetic, { x, ids }, [])).toMatchObject({ code: 'no-output' });
      expect(await fails(arithmetic, { x, ids }, ['sum', 'sum'])).toMatchObject({ code: 'duplicate-output' });
    });

    it('an output of a type that cannot cross', async () => {
      const error = await fails(casts, { x: zeros('float32', [1]) }, ['float64']);
      expect(error).toBeInstanceOf(UnsupportedError);
      expect(error?.message).toBe('output "float64" is float64 [n], a type that fsb does not read');
    });

    it.each<[string, Tensor, string]>([
      ['a wrong dtype', int64Tensor([[1, 2]]), 'expected float32 [batch_size, 2], found int64 [1, 2]'],
      ['a wrong rank', zeros('float32', [2]), 'expected float32 [batch_size, 2], found float32 [2]'],
      ['a wrong fixed size', zeros('float32', [1, 3]), 'expected float32 [batch_size, 2], found float32 [1, 3]'],
      ['a negative size', { ...x, shape: [-2, 2] }, 'found float32 [-2, 2]'],
      ['too few elements', { ...x, shape: [3, 2] }, 'found float32 [3, 2] over 4 elements'],
      ['the wrong array', { ...x, data: new Int32Array(4) } as unknown as Tensor, 'float32 [2, 2] over a Int32Array'],
    ])('%s', async (_, tensor, message) => {
      const error = await fails(arithmetic, { x: tensor, ids }, ['sum']);
      expect(error).toBeInstanceOf(UsageError);
      expect(error?.message).toContain(message);
      expect(error?.message).toContain('input "x"');
    });

    it('an id outside the vocabulary', async () => {
      const error = await fails(embedding, { ids: { dtype: 'int64', shape: [1], data: BigInt64Array.of(4n) } }, [
        'rows',
      ]);
      expect(error).toBeInstanceOf(UsageError);
      expect(error?.message).toMatch(
        /^the graph in memory failed while running: indices element out of data bounds, idx=4/,
      );
    });

    it('an output that does not fit into memory', async () => {
      const shape: Tensor = { dtype: 'int64', shape: [1], data: BigInt64Array.of(2n ** 40n) };
      const error = await fails(expansion, { x: zeros('float32', [1]), shape }, ['big']);
      expect(error).toBeInstanceOf(ResourceError);
      expect(error).toMatchObject({ code: 'out-of-memory', exitCode: 7 });
      expect(error?.message).toContain('4398046511104');
    });
  });

  describe('says what is wrong with a model:', () => {
    it.each([
      ['a missing file', '/nowhere/model.onnx', NotFoundError, '/nowhere/model.onnx does not exist'],
      ['a folder', import.meta.dirname, NotFoundError, 'is not a file'],
      ['missing weights', files['orphan.onnx'], NotFoundError, 'absent.bin'],
      ['weights outside the folder', files['escaping.onnx'], IntegrityError, 'escapes model directory'],
      ['weights that are too short', files['short.onnx'], IntegrityError, 'file_length: 7'],
      ['a truncated graph', files['truncated.onnx'], IntegrityError, 'Protobuf parsing failed'],
      ['something else', files['text.onnx'], IntegrityError, 'Protobuf parsing failed'],
      ['an empty file', files['empty.onnx'], IntegrityError, 'does not have a graph'],
      ['a value from nowhere', files['dangling.onnx'], IntegrityError, "'nowhere'"],
      ['an unknown operator', files['unknown-operator.onnx'], UnsupportedError, 'Enlighten'],
    ] as const)('%s', async (_, file, type, message) => {
      const error = await load(file).catch((error: unknown) => error as Error);
      expect(error).toBeInstanceOf(type);
      expect((error as Error).message).toContain(message);
      expect((error as Error).message).toContain(file);
      expect((error as Error).message).not.toContain('onnxruntime_src');
    });
  });
});
