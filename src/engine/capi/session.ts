/** A session through the C API: runs on another thread, and what it holds is freed exactly once. */
import path from 'node:path';
import { attentionOnCpu } from '../attention-check.ts';
import { checkFeeds, checkOutputs } from '../checks.ts';
import { DEVICES } from '../device.ts';
import { loadFailure } from '../errors.ts';
import { RunRecorder } from '../explanation.ts';
import { Lifetime } from '../lifetime.ts';
import { createProfileFolder, type ProfileFolder } from '../profile.ts';
import { Recording } from '../recording.ts';
import {
  type DeviceMemory,
  type Feeds,
  type ModelSource,
  nameOf,
  type RunOptions,
  type Session,
  type SessionSettings,
} from '../session.ts';
import { elementsOf, type Tensor, type ValueInfo } from '../tensor.ts';
import { heavyOnCpu } from './assignments.ts';
import { CapiBinding } from './binding.ts';
import type { Pointer } from './calls.ts';
import { CapiDeviceMemory } from './device-memory.ts';
import { diagnosed } from './diagnosis.ts';
import type { Runtime } from './runtime.ts';
import { applySettings } from './session-options.ts';
import { runTerminable } from './terminable.ts';
import { copyValue, type LentValue, lendTensor } from './value.ts';
import { readDevicePlaces, readInputs, readOutputs } from './value-infos.ts';

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
  #inputsOnDevice: ReadonlySet<string> | undefined;

  /** Loads a graph on another thread. Throws the errors of runtimeFailure and UnsupportedError for the device. */
  static async open(runtime: Runtime, model: ModelSource, settings: SessionSettings): Promise<CapiSession> {
    const { api, environment } = runtime;
    const onCpu = await attentionOnCpu(model, settings, (graph, its) => CapiSession.open(runtime, graph, its));
    const options = api.CreateSessionOptions();
    const profile = settings.onExplanation && (await createProfileFolder());
    try {
      applySettings(runtime, options, settings, onCpu);
      if (profile) api.EnableProfiling(options, profile.prefix);
      const handle = await runtime.calls.use(() =>
        typeof model === 'string'
          ? api.CreateSession.async(environment, model, options)
          : api.CreateSessionFromArray.async(environment, model, model.byteLength, options),
      );
      try {
        const session = new CapiSession(runtime, handle, nameOf(model), settings, profile);
        if (settings.device.kind !== 'cpu') session.#warnOfCpu(onCpu.length > 0);
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

  isOnDevice(input: string): boolean {
    this.#lifetime.assertAlive();
    this.#inputsOnDevice ??= readDevicePlaces(this.#runtime, this.#handle, 'Input');
    return this.#inputsOnDevice.has(input);
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
  #warnOfCpu(isAttentionWrong: boolean): void {
    const heavy = [...this.heavyOnCpu()].map(([type, count]) => `${type} (${count})`);
    if (heavy.length === 0) return;
    const reason = isAttentionWrong
      ? 'computes attention wrong with this driver (checked just now) or has no such operator'
      : 'has no such operator';
    this.#settings.onWarning(
      `${path.basename(this.#name)}: ${heavy.join(', ')} on the CPU, since ${this.device} ${reason}; --explain shows what that costs`,
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
