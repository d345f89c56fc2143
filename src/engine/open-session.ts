/** Opens a graph: which device, which binding to ONNX Runtime, and the settings that every session of fsb has. */
import { stat } from 'node:fs/promises';
import { readEnvironment } from '../util/environment.ts';
import { FsbError, NotFoundError, UsageError } from '../util/errors.ts';
import { parseDevice } from './device.ts';
import type { Explanation } from './explanation.ts';
import type { ModelSource, OptimizationLevel, RuntimeName, Session, SessionSettings } from './session.ts';

export interface SessionOptions {
  /** auto, cpu, webgpu, cuda, cuda:N, dml, coreml. "auto" is the CPU. @default "auto" */
  readonly device?: string | undefined;
  /** Threads within an operator. @default FSB_THREADS, else ONNX Runtime's choice: one per physical core */
  readonly threads?: number | undefined;
  /**
   * "capi": the C API or an error; "node": onnxruntime-node's JavaScript API; "auto": the C API, or with a warning the
   * JavaScript API where it cannot work. @default FSB_RUNTIME, else "auto"
   */
  readonly runtime?: 'auto' | RuntimeName | undefined;
  /** Session configuration entries of ONNX Runtime (onnxruntime_session_options_config_keys.h); they win over fsb's. */
  readonly config?: Readonly<Record<string, string>> | undefined;
  /** How far ONNX Runtime rewrites the graph when it loads. @default "all" */
  readonly optimization?: OptimizationLevel | undefined;
  /** Told what ran where, when the session is disposed. Recording it makes every run slower. */
  readonly onExplanation?: ((explanation: Explanation) => void) | undefined;
  /** Told why the fallback was chosen, and which heavy operators a GPU lacks. @default a Node process warning */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Of every session; `SessionOptions.config` wins. */
const CONFIG: Readonly<Record<string, string>> = {
  // Threads that wait for the next operator by spinning burn a core while a session is idle, and on a shared machine they
  // take it from those who work. A spin of 50 µs outlasts the gap between two operators of a step, which is where
  // sleeping costs (a quarter of a step of 4.5 ms), and nothing else.
  'session.intra_op.spin_duration_us': '50',
  'session.inter_op.allow_spinning': '0',
};

const CPU_CONFIG: Readonly<Record<string, string>> = {
  // It puts together what takes less time apart: see addAndNorm in onnx/ops.ts.
  'optimization.disable_specified_optimizers': 'SkipLayerNormFusion',
};

/** More threads than this is a typing error. */
const MAX_THREADS = 1024;

/**
 * Opens a graph by path (weights beside it are mapped into memory, not read) or from the bytes of one without external
 * weights. The caller disposes the session.
 *
 * Throws NotFoundError when a file is missing, IntegrityError for a malformed graph, UnsupportedError (exit code 8)
 * with the reason when the device, an operator or the binding is not available, ResourceError when memory runs out.
 */
export async function openSession(model: ModelSource, options: SessionOptions = {}): Promise<Session> {
  const settings = toSettings({ ...options, config: { ...(await int8Config(options)), ...options.config } });
  const runtime = runtimeName(options.runtime ?? readEnvironment().runtime);
  if (typeof model === 'string') await assertFile(model);
  const shared = runtime === 'node' ? undefined : await openCapi(runtime, options.onWarning ?? processWarning);
  if (shared) {
    const { CapiSession } = await import('./capi/session.ts');
    return CapiSession.open(shared, model, settings);
  }
  const { NodeSession } = await import('./node/session.ts');
  return NodeSession.open(model, settings);
}

/** Takes ONNX Runtime's exact int8 kernels, at twice the time: see saturation.ts. */
const EXACT_INT8 = 'session.x64quantprecision';

let saturates: Promise<boolean> | undefined;

/** The setting that int8 needs on this machine; found out once. */
export async function int8Config(options: SessionOptions): Promise<Record<string, string>> {
  if (process.arch !== 'x64' || options.config?.[EXACT_INT8] !== undefined) return {};
  saturates ??= tryInt8(options).catch((error: unknown) => {
    saturates = undefined;
    throw error;
  });
  return (await saturates) ? { [EXACT_INT8]: '1' } : {};
}

async function tryInt8({ runtime }: SessionOptions): Promise<boolean> {
  const { INT8_GRAPH, saturatesInt8 } = await import('./saturation.ts');
  const config = { [EXACT_INT8]: '0' };
  const onWarning = (): void => undefined; // the session that is asked for gives the same warnings
  const session = await openSession(INT8_GRAPH, { device: 'cpu', threads: 1, runtime, onWarning, config });
  try {
    return await saturatesInt8(session);
  } finally {
    await session.dispose();
  }
}

/** The C API, or undefined after a warning when `wanted` is "auto" and it cannot be used. */
async function openCapi(wanted: 'auto' | 'capi', warn: (message: string) => void) {
  const { openRuntime } = await import('./capi/open-runtime.ts');
  try {
    return await openRuntime();
  } catch (error) {
    if (wanted === 'capi' || !(error instanceof FsbError)) throw error;
    warn(`${error.message}; using the slower JavaScript API of onnxruntime-node instead`);
    return undefined;
  }
}

function toSettings({
  device,
  threads,
  config,
  optimization,
  onExplanation,
  onWarning,
}: SessionOptions): SessionSettings {
  const count = threads ?? readEnvironment().threads ?? 0;
  if (!Number.isInteger(count) || count < 0 || count > MAX_THREADS)
    throw new UsageError(`expected 1 to ${MAX_THREADS} threads, found ${count}`, { code: 'bad-threads' });
  const parsed = parseDevice(device ?? 'auto');
  return {
    device: parsed,
    threads: count,
    optimization: optimization ?? 'all',
    config: { ...CONFIG, ...(parsed.kind === 'cpu' && CPU_CONFIG), ...config },
    onExplanation,
    onWarning: onWarning ?? processWarning,
  };
}

function runtimeName(name: string): 'auto' | RuntimeName {
  if (name === 'auto' || name === 'capi' || name === 'node') return name;
  throw new UsageError(`unknown runtime "${name}"; expected auto, capi or node`, {
    code: 'unknown-runtime',
    hint: 'check the environment variable FSB_RUNTIME',
  });
}

async function assertFile(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile())
    throw new NotFoundError(`${file} ${found ? 'is not a file' : 'does not exist'}; expected an ONNX graph`, {
      code: 'model-file-missing',
      hint: 'convert the model first: fsb convert NAME',
    });
}

function processWarning(message: string): void {
  process.emitWarning(message, { code: 'FSB_RUNTIME' });
}
