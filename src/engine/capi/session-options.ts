/** The settings of a session, as options of the C API. */
import { DEVICES, type Device, deviceNotInBuild, deviceUnavailable } from '../device.ts';
import { readable } from '../errors.ts';
import type { OptimizationLevel, SessionSettings } from '../session.ts';
import { RECORD_ASSIGNMENT } from './assignments.ts';
import { OrtError, type Pointer } from './calls.ts';
import { providerOptions } from './cuda.ts';
import { LOG_SEVERITY, type Runtime } from './runtime.ts';

/** GraphOptimizationLevel of the C API. */
const OPTIMIZATION_LEVELS: Record<OptimizationLevel, number> = { none: 0, basic: 1, extended: 2, all: 99 };

/** An option of the WebGPU provider: names of nodes, one per line. */
const FORCE_CPU = 'forceCpuNodeNames';

/** Puts settings into options; the nodes called `onCpu` stay on the CPU (WebGPU only). Throws UnsupportedError for the device. */
export function applySettings(
  runtime: Runtime,
  options: Pointer,
  settings: SessionSettings,
  onCpu: readonly string[],
): void {
  const { api } = runtime;
  api.SetSessionLogSeverityLevel(options, LOG_SEVERITY);
  api.SetIntraOpNumThreads(options, settings.threads);
  api.SetSessionGraphOptimizationLevel(options, OPTIMIZATION_LEVELS[settings.optimization]);
  for (const [key, value] of Object.entries(settings.config)) api.AddSessionConfigEntry(options, key, value);
  if (settings.device.kind === 'cpu') return;
  for (const [key, value] of Object.entries(RECORD_ASSIGNMENT)) api.AddSessionConfigEntry(options, key, value);
  appendProvider(runtime, options, settings.device, onCpu);
}

// --- internal ---

/** Adds the provider of a GPU, or throws UnsupportedError with the reason why it cannot be. */
function appendProvider(runtime: Runtime, options: Pointer, device: Device, onCpu: readonly string[]): void {
  const { api, providers } = runtime;
  const entry = DEVICES[device.kind];
  if (!providers.includes(entry.provider)) throw deviceNotInBuild(device, providers);
  try {
    if (device.kind === 'cuda') appendCuda(runtime, options, device);
    else if ('appendName' in entry) {
      const [keys, values] = onCpu.length > 0 ? [[FORCE_CPU], [onCpu.join('\n')]] : [[], []];
      api.SessionOptionsAppendExecutionProvider(options, entry.appendName, keys, values, keys.length);
    }
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
