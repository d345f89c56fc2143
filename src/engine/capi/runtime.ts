/** What every session of the process shares: the library, its environment and the things made once from it. */
import { CallSlots } from './call-slots.ts';
import type { OrtApi, Pointer } from './calls.ts';
import type { OrtLibrary } from './library.ts';

export interface Runtime {
  readonly library: OrtLibrary;
  readonly api: OrtApi;
  readonly environment: Pointer;
  /** Describes memory that is ours, for tensors over typed arrays. */
  readonly cpuMemory: Pointer;
  /** ONNX Runtime's own allocator, for names that it hands out. */
  readonly allocator: Pointer;
  /** Execution providers compiled into the library, such as "WebGpuExecutionProvider". */
  readonly providers: readonly string[];
  readonly calls: CallSlots;
}

/** Fatal only. Every error also comes back as a status, and a log line could block a thread on the JavaScript one. */
export const LOG_SEVERITY = 4;

/** Enough to keep a name from a corrupt library from looping. */
const MAX_PROVIDERS = 100;

/**
 * Makes what sessions share. The environment is one per process: a second CreateEnv returns the first. Nothing here
 * is ever released, it lives as long as the process.
 */
export function createRuntime(library: OrtLibrary, api: OrtApi = library.api): Runtime {
  return {
    library,
    api,
    environment: api.CreateEnv(LOG_SEVERITY, 'fsb'),
    cpuMemory: api.CreateCpuMemoryInfo(0, 0), // OrtDeviceAllocator, OrtMemTypeDefault
    allocator: api.GetAllocatorWithDefaultOptions(),
    providers: listProviders(library, api),
    calls: new CallSlots(),
  };
}

function listProviders(library: OrtLibrary, api: OrtApi): string[] {
  const [names, count] = api.GetAvailableProviders();
  try {
    return library.readPointers(names, Math.min(count, MAX_PROVIDERS)).map((address) => library.readText(address));
  } finally {
    api.ReleaseAvailableProviders(names, count);
  }
}
