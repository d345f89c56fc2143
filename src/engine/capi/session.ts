/** A session through the C API: runs on another thread, and what it holds is freed exactly once. */
import path from 'node:path';
import { checkFeeds, checkOutputs } from '../checks.ts';
import { DEVICES, type Device, deviceNotInBuild, deviceUnavailable } from '../device.ts';
import { loadFailure, readable } from '../errors.ts';
import { RunRecorder } from '../explanation.ts';
import { Lifetime } from '../lifetime.ts';
import { createProfileFolder, type ProfileFolder } from '../profile.ts';
import { Recording } from '../recording.ts';
import {
  type DeviceMemory,
  type Feeds,
  type ModelSource,
  nameOf,
  type OptimizationLevel,
  type RunOptions,
  type Session,
  type SessionSettings,
} from '../session.ts';
import { elementsOf, type Tensor, type ValueInfo } from '../tensor.ts';
import { heavyOnCpu, RECORD_ASSIGNMENT } from './assignments.ts';
import { CapiBinding } from './binding.ts';
import { OrtError, type Pointer } from './calls.ts';
import { providerOptions } from './cuda.ts';
import { CapiDeviceMemory } from './device-memory.ts';
import { diagnosed } from './diagnosis.ts';
import { LOG_SEVERITY, type Runtime } from './runtime.ts';
import { runTerminable } from './terminable.ts';
import { copyValue, type LentValue, lendTensor } from './value.ts';
import { readDevicePlaces, readInputs, readOutputs } from './value-infos.ts';

/** GraphOptimizationLevel of the C API. */
const OPTIMIZATION_LEVELS: Record<OptimizationLevel, number> = { none: 0, basic: 1, extended: 2, all: 99 };

export class CapiSession implements Session {
  readonly runtime = 'capi';
  readonly device: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly #runtime: Runtime;
  readonly #handle: Pointer;
  readonly #name: string;
  readonly #lifetime: Lifetime;
  readonly #bindings = new Set<CapiBinding>();
  readonly #settings: SessionSettings;
  readonly #recording: Recording | undefined;
  #memory: CapiDeviceMemory | undefined;

  /** Loads a graph on another thread. Throws the errors of runtimeFailure and UnsupportedError for the device. */
  static async open(runtime: Runtime, model: ModelSource, settings: SessionSettings): Promise<CapiSession> {
    const { api, environment } = runtime;
    const options = api.CreateSessionOptions();
    const profile = settings.onExplanation && (await createProfileFolder());
    try {
      applySettings(runtime, options, settings);
      if (profile) api.EnableProfiling(options, profile.prefix);
      const handle = await runtime.calls.use(() =>
        typeof model === 'string'
          ? api.CreateSession.async(environment, model, options)
          : api.CreateSessionFromArray.async(environment, model, model.byteLength, options),
      );
      try {
        const session = new CapiSession(runtime, handle, nameOf(model), settings, profile);
        if (settings.device.kind !== 'cpu') session.#warnOfCpu();
        return session;
      } catch (error) {
        api.ReleaseSession(handle);
        throw error;
      }
    } catch (error) {
      await profile?.remove();
      throw await diagnosed(loadFailure(nameOf(model), settings.device, error), settings.device);
    } finally {
      api.ReleaseSessionOptions(options); // the session has its own copy
    }
  }

  private constructor(
    runtime: Runtime,
    handle: Pointer,
    name: string,
    settings: SessionSettings,
    profile: ProfileFolder | undefined,
  ) {
    this.#runtime = runtime;
    this.#handle = handle;
    this.#name = name;
    this.#lifetime = new Lifetime(`the session of ${name}`);
    this.#settings = settings;
    this.device = settings.device.name;
    this.inputs = readInputs(runtime, handle);
    this.outputs = readOutputs(runtime, handle);
    if (profile) {
      const [inputs, outputs] = [
        readDevicePlaces(runtime, handle, 'Input'),
        readDevicePlaces(runtime, handle, 'Output'),
      ];
      const recorder = new RunRecorder(
        (input) => inputs.has(input),
        (output) => outputs.has(output),
      );
      this.#recording = new Recording(profile, recorder, () => {
        const { api, allocator } = runtime;
        api.AllocatorFree(allocator, api.SessionEndProfiling(handle, allocator)); // the name of its file
      });
    }
  }

  get inputNames(): string[] {
    return this.inputs.map((input) => input.name);
  }

  get outputNames(): string[] {
    return this.outputs.map((output) => output.name);
  }

  async run(feeds: Feeds, outputs: readonly string[], options: RunOptions = {}): Promise<Record<string, Tensor>> {
    this.#lifetime.assertAlive();
    checkFeeds(this.inputs, feeds);
    checkOutputs(this.outputs, outputs);
    if (this.#lifetime.running === 0) this.#recording?.stopWhenFull();
    const results = await this.#lifetime.use(() => this.#run(feeds, outputs, options.signal));
    this.#recording?.recorder.add(Object.entries(feeds), Object.entries(results), elementsOf(feeds.input_ids));
    return results;
  }

  get deviceMemory(): DeviceMemory | undefined {
    this.#lifetime.assertAlive();
    const entry = DEVICES[this.#settings.device.kind];
    if (!('memory' in entry)) return undefined;
    const openSession = (graph: Uint8Array) =>
      CapiSession.open(this.#runtime, graph, { ...this.#settings, onExplanation: undefined });
    this.#memory ??= new CapiDeviceMemory(this.#runtime, this.#handle, {
      name: entry.memory,
      device: this.#settings.device,
      openSession,
    });
    return this.#memory;
  }

  /** Heavy operators that run on the CPU, by type; for sessions opened with RECORD_ASSIGNMENT. */
  heavyOnCpu(): Map<string, number> {
    this.#lifetime.assertAlive();
    return heavyOnCpu(this.#runtime, this.#handle);
  }

  createBinding(): CapiBinding {
    this.#lifetime.assertAlive();
    const binding = new CapiBinding({
      runtime: this.#runtime,
      session: this.#handle,
      name: this.#name,
      inputs: this.inputs,
      outputs: this.outputs,
      isOnCpu: this.device === 'cpu',
      lifetime: this.#lifetime,
      recording: this.#recording,
      onDispose: () => this.#bindings.delete(binding),
    });
    this.#bindings.add(binding);
    return binding;
  }

  dispose(): Promise<void> {
    return this.#lifetime.dispose(async () => {
      await Promise.all([...this.#bindings].map((binding) => binding.dispose())); // before the session, never after
      await this.#memory?.dispose();
      const { api, calls } = this.#runtime;
      const { device, runtime } = this;
      const explanation = await this.#recording?.explain({ graph: this.#name, device, runtime });
      await calls.use(() => api.ReleaseSession.async(this.#handle)); // a large model takes a while to give back
      if (explanation) this.#settings.onExplanation?.(explanation);
    });
  }

  /** A model that runs on a GPU only in part is slow in a way that nobody would look for. */
  #warnOfCpu(): void {
    const heavy = [...this.heavyOnCpu()].map(([type, count]) => `${type} (${count})`);
    if (heavy.length > 0)
      this.#settings.onWarning(
        `${path.basename(this.#name)}: ${this.device} cannot run ${heavy.join(', ')}: these run on the CPU, their values cross for it; --explain shows what that costs`,
      );
  }

  async #run(feeds: Feeds, outputs: readonly string[], signal?: AbortSignal): Promise<Record<string, Tensor>> {
    const { api } = this.#runtime;
    const names = Object.keys(feeds);
    const inputs: LentValue[] = [];
    const results: (Pointer | null)[] = outputs.map(() => null); // null: ONNX Runtime allocates
    try {
      for (const name of names) inputs.push(lendTensor(this.#runtime, feeds[name]!));
      const handles = inputs.map((input) => input.handle);
      await runTerminable(this.#runtime, this.#name, signal, (runOptions) =>
        api.Run.async(this.#handle, runOptions, names, handles, handles.length, outputs, outputs.length, results),
      );
      return Object.fromEntries(outputs.map((name, i) => [name, copyValue(this.#runtime, results[i]!)]));
    } finally {
      for (const input of inputs) api.ReleaseValue(input.handle);
      for (const result of results) if (result !== null) api.ReleaseValue(result);
    }
  }
}

function applySettings(runtime: Runtime, options: Pointer, settings: SessionSettings): void {
  const { api } = runtime;
  api.SetSessionLogSeverityLevel(options, LOG_SEVERITY);
  api.SetIntraOpNumThreads(options, settings.threads);
  api.SetSessionGraphOptimizationLevel(options, OPTIMIZATION_LEVELS[settings.optimization]);
  for (const [key, value] of Object.entries(settings.config)) api.AddSessionConfigEntry(options, key, value);
  if (settings.device.kind === 'cpu') return;
  for (const [key, value] of Object.entries(RECORD_ASSIGNMENT)) api.AddSessionConfigEntry(options, key, value);
  appendProvider(runtime, options, settings.device);
}

/** Adds the provider of a GPU, or throws UnsupportedError with the reason why it cannot be. */
function appendProvider(runtime: Runtime, options: Pointer, device: Device): void {
  const { api, providers } = runtime;
  const entry = DEVICES[device.kind];
  if (!providers.includes(entry.provider)) throw deviceNotInBuild(device, providers);
  try {
    if (device.kind === 'cuda') appendCuda(runtime, options, device);
    else if ('appendName' in entry) api.SessionOptionsAppendExecutionProvider(options, entry.appendName, [], [], 0);
  } catch (error) {
    if (!(error instanceof OrtError)) throw error;
    throw deviceUnavailable(device, readable(error.message), error);
  }
}

/** CUDA's options are an object of their own; updating them already loads the provider's library. */
function appendCuda({ api, library }: Runtime, options: Pointer, device: Device): void {
  const cuda = api.CreateCUDAProviderOptions();
  try {
    library.skipDestructors();
    const entries = Object.entries(providerOptions(device));
    const [keys, values] = [entries.map(([key]) => key), entries.map(([, value]) => value)];
    api.UpdateCUDAProviderOptions(cuda, keys, values, entries.length);
    api.SessionOptionsAppendExecutionProvider_CUDA_V2(options, cuda);
  } finally {
    api.ReleaseCUDAProviderOptions(cuda);
  }
}
