/**
 * The fallback: onnxruntime-node's own JavaScript API behind the same interface. It blocks the event loop while it
 * runs, copies every output, cannot be interrupted, and cannot feed inputs that have a default.
 */
import type * as Ort from 'onnxruntime-node';
import { messageOf, UnsupportedError } from '../../util/errors.ts';
import { attentionOnCpu } from '../attention-check.ts';
import { checkFeeds, checkOutputs } from '../checks.ts';
import { DEVICES, deviceNotInBuild } from '../device.ts';
import { loadFailure, runtimeFailure } from '../errors.ts';
import { RunRecorder } from '../explanation.ts';
import { Lifetime } from '../lifetime.ts';
import { createProfileFolder, type ProfileFolder } from '../profile.ts';
import { Recording } from '../recording.ts';
import {
  type Feeds,
  type ModelSource,
  nameOf,
  type RunOptions,
  type Session,
  type SessionSettings,
} from '../session.ts';
import { disableTelemetry } from '../telemetry.ts';
import { elementsOf, type Tensor, type ValueInfo } from '../tensor.ts';
import { NodeBinding } from './binding.ts';
import { fromOrtTensor, toOrtTensor } from './value.ts';

type OrtModule = typeof Ort;

export class NodeSession implements Session {
  readonly runtime = 'node';
  readonly device: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly #ort: OrtModule;
  readonly #session: Ort.InferenceSession;
  readonly #name: string;
  readonly #lifetime: Lifetime;
  readonly #onExplanation: SessionSettings['onExplanation'];
  readonly #recording: Recording | undefined;
  /** onnxruntime-node moves values to a device and back with every run. */
  readonly deviceMemory = undefined;

  /** Loads a graph, on this thread. Throws the errors of runtimeFailure and UnsupportedError for the device. */
  static async open(model: ModelSource, settings: SessionSettings): Promise<NodeSession> {
    const ort = await loadModule();
    const { device } = settings;
    const backends = ort.listSupportedBackends().map((backend) => backend.name);
    if (!backends.includes(device.kind)) throw deviceNotInBuild(device, backends);
    const onCpu = await attentionOnCpu(model, settings, (graph, its) => NodeSession.open(graph, its));
    const profile = settings.onExplanation && (await createProfileFolder());
    const options: Ort.InferenceSession.SessionOptions = {
      executionProviders: [
        {
          name: device.kind,
          ...('indexed' in DEVICES[device.kind] && { deviceId: device.index }),
          ...(onCpu.length > 0 && { forceCpuNodeNames: onCpu }),
        },
      ],
      intraOpNumThreads: settings.threads,
      graphOptimizationLevel: settings.optimization === 'none' ? 'disabled' : settings.optimization,
      logSeverityLevel: 4,
      extra: settings.config,
      ...(profile && { enableProfiling: true, profileFilePrefix: profile.prefix }),
    };
    try {
      const session = await (typeof model === 'string'
        ? ort.InferenceSession.create(model, options)
        : ort.InferenceSession.create(model, options));
      return new NodeSession(ort, session, nameOf(model), settings, profile);
    } catch (error) {
      await profile?.remove();
      throw loadFailure(nameOf(model), device, error);
    }
  }

  private constructor(
    ort: OrtModule,
    session: Ort.InferenceSession,
    name: string,
    settings: SessionSettings,
    profile: ProfileFolder | undefined,
  ) {
    this.#ort = ort;
    this.#session = session;
    this.#name = name;
    this.#lifetime = new Lifetime(`the session of ${name}`);
    this.device = settings.device.name;
    this.inputs = session.inputMetadata.map(toValueInfo);
    this.outputs = session.outputMetadata.map(toValueInfo);
    this.#onExplanation = settings.onExplanation;
    if (!profile) return;
    const isOnDevice = (): boolean => this.isOnDevice();
    const recorder = new RunRecorder(isOnDevice, isOnDevice);
    this.#recording = new Recording(profile, recorder, () => session.endProfiling());
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
    const ortFeeds = Object.entries(feeds).map(([name, tensor]) => [name, toOrtTensor(this.#ort, tensor)] as const);
    const fetched = await this.#run(Object.fromEntries(ortFeeds), outputs, options.signal);
    const results = Object.fromEntries(outputs.map((name) => [name, fromOrtTensor(fetched[name]!)]));
    this.#recording?.recorder.add(Object.entries(feeds), Object.entries(results), elementsOf(feeds.input_ids));
    return results;
  }

  /** This API does not say, so that on a GPU every input counts. */
  isOnDevice(): boolean {
    return this.device !== 'cpu';
  }

  createBinding(): NodeBinding {
    this.#lifetime.assertAlive();
    return new NodeBinding({
      ort: this.#ort,
      name: this.#name,
      inputs: this.inputs,
      outputs: this.outputs,
      recording: this.#recording,
      run: (feeds, fetches, signal) => this.#run(feeds, fetches, signal),
    });
  }

  dispose(): Promise<void> {
    return this.#lifetime.dispose(async () => {
      const { device, runtime } = this;
      const explanation = await this.#recording?.explain({ graph: this.#name, device, runtime });
      await this.#session.release();
      if (explanation) this.#onExplanation?.(explanation);
    });
  }

  /** The signal is asked before and after: nothing can reach this thread in between. */
  #run(
    feeds: Ort.InferenceSession.FeedsType,
    fetches: Ort.InferenceSession.FetchesType,
    signal?: AbortSignal,
  ): Promise<Ort.InferenceSession.ReturnType> {
    if (this.#lifetime.running === 0) this.#recording?.stopWhenFull();
    return this.#lifetime.use(async () => {
      signal?.throwIfAborted();
      try {
        const results = await this.#session.run(feeds, fetches);
        signal?.throwIfAborted();
        return results;
      } catch (error) {
        signal?.throwIfAborted();
        throw runtimeFailure('run', this.#name, error);
      }
    });
  }
}

async function loadModule(): Promise<OrtModule> {
  try {
    disableTelemetry();
    const ort = await import('onnxruntime-node');
    ort.env.logLevel = 'fatal'; // every error is also thrown
    return ort;
  } catch (error) {
    throw new UnsupportedError(`onnxruntime-node cannot be loaded: ${messageOf(error)}`, {
      code: 'runtime-unavailable',
      hint: 'reinstall fsb; it needs Linux with glibc 2.28 or newer, macOS on arm64, or Windows',
      cause: error,
    });
  }
}

function toValueInfo(metadata: Ort.InferenceSession.ValueMetadata): ValueInfo {
  const { name } = metadata;
  if (!metadata.isTensor) return { name, optional: false, dtype: 'not a tensor', shape: [] };
  const shape = metadata.shape.map((size) => (size === '' ? '?' : size));
  return { name, optional: false, dtype: metadata.type, shape };
}
