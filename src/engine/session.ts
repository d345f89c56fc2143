/** A loaded graph, whichever binding drives ONNX Runtime: the interface that both implement. */
import type { Device } from './device.ts';
import type { Explanation } from './explanation.ts';
import type { Tensor, TensorDtype, ValueInfo } from './tensor.ts';

/** "capi" = the C API through koffi, "node" = the JavaScript API of onnxruntime-node. */
export type RuntimeName = 'capi' | 'node';

export type OptimizationLevel = 'none' | 'basic' | 'extended' | 'all';

export interface RunOptions {
  /** Ends the run before its next node (C API) or before it starts (JavaScript API); rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

export type Feeds = Readonly<Record<string, Tensor>>;

export interface Session {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly runtime: RuntimeName;
  /** What it runs on, for reports: "cpu", "webgpu", "cuda:0". */
  readonly device: string;
  /**
   * Runs the graph once. Only the named outputs are copied into JavaScript; ONNX Runtime computes all of them, whatever is
   * asked for (microsoft/onnxruntime#3128). Feeds must not change until the promise settles. Several runs may be under way at once.
   * Throws UsageError for unknown or missing names and for a wrong dtype or shape, ResourceError when memory runs out.
   */
  run(feeds: Feeds, outputs: readonly string[], options?: RunOptions): Promise<Record<string, Tensor>>;
  /** Inputs and outputs bound once to arrays of the caller, for runs that update them in place. */
  createBinding(): Binding;
  /** Whether the graph reads this input in the memory of a device, so that an array of ours crosses for it. */
  isOnDevice(input: string): boolean;
  /** Memory of the device, for values that stay there between runs; undefined where the binding cannot have it (JavaScript API). */
  readonly deviceMemory: DeviceMemory | undefined;
  /** Waits for the runs under way, then frees everything. Calling it again is fine; running afterwards is an error. */
  dispose(): Promise<void>;
}

/**
 * Inputs and outputs that stay bound between runs, as arrays which the caller owns: a step changes numbers inside
 * them and runs. The same array may be bound as an input and as an output (a KV cache as past and present) and is then
 * updated in place, where the graph's operators can. Nothing may touch a bound array while a run is under way.
 */
export interface Binding {
  /** Binds an input, in place of what was bound to it. */
  input(name: string, tensor: Tensor | DeviceTensor, options?: InputOptions): this;
  /** Binds an output; its shape must be exactly what the run computes. Outputs that are not bound are not kept. */
  output(name: string, tensor: Tensor | DeviceTensor): this;
  /** Runs off the JavaScript thread (C API). One run at a time per binding; other bindings may run beside it. */
  run(options?: RunOptions): Promise<void>;
  /** Runs at once on this thread, 25–50 µs cheaper. C API only: UnsupportedError otherwise. */
  runSync(): void;
  /** Waits for the run under way, then lets go of the arrays. Disposing the session does it too. */
  dispose(): Promise<void>;
}

export interface InputOptions {
  /** True for an array that never changes while it is bound: a GPU gets it once, not before each run. @default false */
  readonly constant?: boolean;
}

/** Numbers in the memory of a device. They are bound as inputs and outputs and never cross into JavaScript. */
export interface DeviceTensor {
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  /** Lets go of the memory, which the device frees once no binding uses it. Disposing the session does it too. */
  dispose(): void;
}

/** Where rows of a cache come from, and how much of them. */
export interface CacheMove {
  /** Row i of the result is row parents[i]. */
  readonly parents: readonly number[];
  /** Tokens that are kept. */
  readonly length: number;
  /** Tokens the result has room for. */
  readonly capacity: number;
}

/** The memory of a session's device. */
export interface DeviceMemory {
  /** As the driver calls it: "WebGPU_Buf", "Cuda", "Cpu". */
  readonly name: string;
  /** A float32 tensor full of zeros, (rows, heads, capacity, headSize). */
  zeros(shape: readonly [rows: number, heads: number, capacity: number, headSize: number]): Promise<DeviceTensor>;
  /** A new tensor with rows of another, computed on the device; what lies beyond the tokens kept is 0. */
  move(cache: DeviceTensor, move: CacheMove): Promise<DeviceTensor>;
}

/** SessionOptions, normalised. */
export interface SessionSettings {
  readonly device: Device;
  /** 0 = ONNX Runtime decides. */
  readonly threads: number;
  readonly optimization: OptimizationLevel;
  readonly config: Readonly<Record<string, string>>;
  readonly onWarning: (message: string) => void;
  /** Told what ran where, when the session is disposed; recording it costs time in every run. */
  readonly onExplanation?: ((explanation: Explanation) => void) | undefined;
}

/** A path, or the bytes of a graph whose weights are inside. */
export type ModelSource = string | Uint8Array;

/** How messages call a graph. */
export function nameOf(model: ModelSource): string {
  return typeof model === 'string' ? model : 'the graph in memory';
}
