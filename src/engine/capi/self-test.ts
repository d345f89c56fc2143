/**
 * Calls every function of the table once, through the classes that sessions are made of, on a graph in memory. A wrong
 * position or signature shows here, by name, rather than in somebody's long run.
 */
import { FsbError, messageOf } from '../../util/errors.ts';
import { parseDevice } from '../device.ts';
import type { Explanation } from '../explanation.ts';
import type { SessionSettings } from '../session.ts';
import { float32Tensor, zeros } from '../tensor.ts';
import { runTinyGraph, TINY_GRAPH } from '../tiny-graph.ts';
import { RECORD_ASSIGNMENT } from './assignments.ts';
import { type OrtApi, OrtError } from './calls.ts';
import type { FunctionName } from './functions.ts';
import { loadLibrary, type OrtLibrary } from './library.ts';
import { createRuntime, type Runtime } from './runtime.ts';
import { CapiSession } from './session.ts';

export interface SelfTestReport {
  readonly ok: boolean;
  /** The library, when it could be loaded. */
  readonly file?: string;
  /** Of ONNX Runtime. */
  readonly version?: string;
  /** Execution providers compiled into it. */
  readonly providers: readonly string[];
  /** Functions of the C API that were called. */
  readonly functions: readonly FunctionName[];
  /** What went wrong, with the function that was called last. */
  readonly failure?: string;
}

const SETTINGS: SessionSettings = {
  device: parseDevice('cpu'),
  threads: 1,
  optimization: 'all',
  config: { 'session.intra_op.allow_spinning': '0' },
  onWarning: () => undefined, // only a GPU has something to warn of
};

/** The wrapped functions call these when a status is an error; testProviders got one. */
const ERROR_FUNCTIONS = ['GetErrorCode', 'GetErrorMessage', 'ReleaseStatus'] as const;

/** Loads the library and tests all of it. Never throws. */
export async function selfTest(): Promise<SelfTestReport> {
  try {
    return await testLibrary(await loadLibrary(), { thorough: true });
  } catch (error) {
    return { ok: false, providers: [], functions: [], failure: messageOf(error) };
  }
}

/**
 * Tests a loaded library; `thorough` adds what few runs need: a recording (a temporary file), memory of a device, and two
 * functions that load CUDA's libraries, hundreds of megabytes. Never throws.
 */
export async function testLibrary(library: OrtLibrary, { thorough = false } = {}): Promise<SelfTestReport> {
  const called = new Set<FunctionName>();
  let last: FunctionName | undefined;
  const api = traceCalls(library.api, (name) => {
    called.add(name);
    if (!name.startsWith('Release')) last = name; // those clean up after a failure
  });
  let providers: readonly string[] = [];
  const report = () => ({ file: library.file, version: library.version, providers, functions: [...called] });
  try {
    const runtime = createRuntime(library, api);
    providers = runtime.providers;
    expectThat(providers.includes('CPUExecutionProvider'), `a CPU provider among ${providers.join(', ')}`);
    await testSession(runtime);
    await testErrors(runtime);
    if (thorough) library.skipDestructors(); // CUDA's library is about to be loaded
    testProviders(api, thorough);
    if (thorough) await testRecordingAndMemory(runtime);
    for (const name of ERROR_FUNCTIONS) called.add(name);
    return { ok: true, ...report() };
  } catch (error) {
    return { ok: false, ...report(), failure: `after calling ${last ?? 'nothing'}: ${messageOf(error)}` };
  }
}

async function testSession(runtime: Runtime): Promise<void> {
  const session = await CapiSession.open(runtime, TINY_GRAPH, SETTINGS);
  try {
    const declared = JSON.stringify([session.inputs, session.outputs]);
    const expected = JSON.stringify([
      [
        { name: 'x', optional: false, dtype: 'float32', shape: ['n'] },
        { name: 'bias', optional: true, dtype: 'float32', shape: [1] },
      ],
      [{ name: 'y', optional: false, dtype: 'float32', shape: ['n'] }],
    ]);
    expectThat(declared === expected, `the session to declare ${expected}, found ${declared}`);
    await runTinyGraph(session);
    await testCancelling(session);
    await testBinding(session);
  } finally {
    await session.dispose();
  }
}

async function testCancelling(session: CapiSession): Promise<void> {
  const controller = new AbortController();
  const run = session.run({ x: zeros('float32', [1]) }, ['y'], { signal: controller.signal });
  controller.abort('self-test');
  const outcome = await run.then(
    () => 'a result',
    (reason: unknown) => reason,
  );
  expectThat(outcome === 'self-test', `an aborted run to reject with the reason, found ${outcome}`);
}

async function testBinding(session: CapiSession): Promise<void> {
  const binding = session.createBinding();
  const counter = float32Tensor(Float32Array.of(0, 10), [2]);
  binding.input('x', counter).output('y', counter);
  await binding.run();
  binding.runSync();
  expectThat(counter.data.join() === '2,12', `a bound array to be counted up to 2,12, found ${counter.data}`);
}

/** Opening by path, with a path that does not exist: shows the function and the way of an error. */
async function testErrors(runtime: Runtime): Promise<void> {
  const error = await CapiSession.open(runtime, 'fsb-self-test/absent.onnx', SETTINGS).catch((error: unknown) => error);
  expectThat(
    error instanceof FsbError && error.code === 'model-file-missing',
    `a missing file to be reported as such, found ${messageOf(error)}`,
  );
}

/** A session that records itself, with values that stay on its device. */
async function testRecordingAndMemory(runtime: Runtime): Promise<void> {
  let explanation: Explanation | undefined;
  const session = await CapiSession.open(runtime, TINY_GRAPH, {
    ...SETTINGS,
    config: { ...SETTINGS.config, ...RECORD_ASSIGNMENT },
    onExplanation: (told) => {
      explanation = told;
    },
  });
  try {
    await runTinyGraph(session);
    expectThat(session.heavyOnCpu().size === 0, 'an Add not to count as heavy');
    const memory = session.deviceMemory;
    const cache = await memory?.zeros([1, 2, 2, 2]);
    const moved = cache && (await memory?.move(cache, { parents: [0, 0], length: 1, capacity: 3 }));
    expectThat(
      moved?.shape.join() === '2,2,3,2' && moved.sizeBytes === 96,
      `rows of a cache to move, found ${moved?.shape}`,
    );
  } finally {
    await session.dispose();
  }
  const found = explanation?.operators.map(({ operator, device, calls }) => `${calls} ${operator} on ${device}`);
  expectThat(found?.join() === '1 Add on cpu', `a recording of 1 Add on cpu, found ${found}`);
}

function testProviders(api: OrtApi, cuda: boolean): void {
  const options = api.CreateSessionOptions();
  const cudaOptions = api.CreateCUDAProviderOptions();
  try {
    const refusal = allowOrtError(() =>
      api.SessionOptionsAppendExecutionProvider(options, 'fsb-self-test', ['key'], ['value'], 1),
    );
    expectThat(
      refusal?.code === 'INVALID_ARGUMENT' && refusal.message.includes('fsb-self-test'),
      `an unknown provider to be refused by name, found ${refusal?.code}: ${refusal?.message}`,
    );
    if (!cuda) return;
    // without CUDA on the machine both are errors with a reason, which is as good an answer
    allowOrtError(() => api.UpdateCUDAProviderOptions(cudaOptions, ['device_id'], ['0'], 1));
    allowOrtError(() => api.SessionOptionsAppendExecutionProvider_CUDA_V2(options, cudaOptions));
  } finally {
    api.ReleaseCUDAProviderOptions(cudaOptions);
    api.ReleaseSessionOptions(options);
  }
}

function allowOrtError(call: () => void): OrtError | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    if (error instanceof OrtError) return error;
    throw error;
  }
}

function expectThat(condition: boolean, expectation: string): void {
  if (!condition) throw new Error(`expected ${expectation}`);
}

/** The same functions, announcing each call. */
function traceCalls(api: OrtApi, onCall: (name: FunctionName) => void): OrtApi {
  type AnyCall = ((...args: unknown[]) => unknown) & { async(...args: unknown[]): Promise<unknown> };
  const traced = Object.entries(api as unknown as Record<FunctionName, AnyCall>).map(([name, call]) => {
    const announce = <T>(result: (...args: unknown[]) => T) => {
      return (...args: unknown[]): T => {
        onCall(name as FunctionName);
        return result(...args);
      };
    };
    return [name, Object.assign(announce(call), { async: announce(call.async) })];
  });
  return Object.fromEntries(traced) as OrtApi;
}
