/** Memory of a session's device: tensors that stay there between runs, and moving rows of a cache without leaving it. */
import { DTYPES } from '../../tensor/dtype.ts';
import { elementCountOf } from '../../tensor/lazy-tensor.ts';
import { UsageError } from '../../util/errors.ts';
import type { Device } from '../device.ts';
import { runtimeFailure } from '../errors.ts';
import type { CacheMove, DeviceMemory, DeviceTensor, Session } from '../session.ts';
import { onnxTypeOf, type Tensor, type TensorDtype, zeros } from '../tensor.ts';
import type { Pointer } from './calls.ts';
import { MOVE_GRAPH } from './move-graph.ts';
import type { Runtime } from './runtime.ts';

interface Options {
  /** Of the memory, as in DEVICES. */
  readonly name: string;
  readonly device: Device;
  /** Opens a graph on the same device. */
  readonly openSession: (graph: Uint8Array) => Promise<Session>;
}

export class CapiDeviceMemory implements DeviceMemory {
  readonly name: string;
  readonly #runtime: Runtime;
  readonly #options: Options;
  readonly #info: Pointer;
  readonly #allocator: Pointer;
  readonly #tensors = new Set<CapiDeviceTensor>();
  #mover: Promise<Session> | undefined;

  /** `session` must outlive this. */
  constructor(runtime: Runtime, session: Pointer, options: Options) {
    const { api } = runtime;
    this.#runtime = runtime;
    this.name = options.name;
    this.#options = options;
    // OrtDeviceAllocator, device, OrtMemTypeDefault
    this.#info = api.CreateMemoryInfo(options.name, 0, options.device.index, 0);
    try {
      this.#allocator = api.CreateAllocator(session, this.#info);
    } catch (error) {
      api.ReleaseMemoryInfo(this.#info);
      throw runtimeFailure('load', `the memory of ${options.device.name}`, error);
    }
  }

  zeros(shape: readonly [number, number, number, number]): Promise<DeviceTensor> {
    const [rows, heads, capacity, headSize] = shape;
    const move = { parents: new Array<number>(rows).fill(0), length: 0, capacity };
    return this.#move(zeros('float32', [1, heads, 0, headSize]), move);
  }

  move(cache: DeviceTensor, move: CacheMove): Promise<DeviceTensor> {
    return this.#move(cache, move);
  }

  /** Frees what is left. */
  async dispose(): Promise<void> {
    for (const tensor of this.#tensors) tensor.dispose();
    await (await this.#mover)?.dispose();
    this.#runtime.api.ReleaseAllocator(this.#allocator);
    this.#runtime.api.ReleaseMemoryInfo(this.#info);
  }

  async #move(cache: Tensor | DeviceTensor, { parents, length, capacity }: CacheMove): Promise<DeviceTensor> {
    const [, heads, , headSize] = cache.shape as [number, number, number, number];
    this.#mover ??= this.#options.openSession(MOVE_GRAPH);
    const mover = await this.#mover;
    const moved = this.#allocate('float32', [parents.length, heads, capacity, headSize]);
    const binding = mover.createBinding();
    try {
      binding
        .input('cache', cache)
        .input('parents', integers(parents))
        .input('length', integers([length]))
        .input('room', integers([parents.length, heads, capacity - length, headSize]))
        .output('moved', moved);
      await binding.run();
      return moved;
    } catch (error) {
      moved.dispose();
      throw error;
    } finally {
      await binding.dispose();
    }
  }

  #allocate(dtype: TensorDtype, shape: readonly number[]): CapiDeviceTensor {
    const { api } = this.#runtime;
    const dimensions = BigInt64Array.from(shape, BigInt);
    try {
      const handle = api.CreateTensorAsOrtValue(this.#allocator, dimensions, shape.length, onnxTypeOf(dtype));
      const tensor = new CapiDeviceTensor(handle, dtype, shape, () => {
        this.#tensors.delete(tensor);
        api.ReleaseValue(handle);
      });
      this.#tensors.add(tensor);
      return tensor;
    } catch (error) {
      throw runtimeFailure('run', `a cache on ${this.#options.device.name}`, error);
    }
  }
}

export class CapiDeviceTensor implements DeviceTensor {
  readonly handle: Pointer;
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  #release: (() => void) | undefined;

  constructor(handle: Pointer, dtype: TensorDtype, shape: readonly number[], release: () => void) {
    this.handle = handle;
    this.dtype = dtype;
    this.shape = shape;
    this.#release = release;
  }

  get sizeBytes(): number {
    return elementCountOf(this.shape) * DTYPES[this.dtype].bytes;
  }

  /** Throws UsageError when the memory may be gone. */
  assertAlive(): void {
    if (!this.#release) throw new UsageError('a tensor on a device has been disposed', { code: 'disposed' });
  }

  dispose(): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }
}

// --- internal ---

function integers(values: readonly number[]): Tensor<'int64'> {
  return { dtype: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) };
}
