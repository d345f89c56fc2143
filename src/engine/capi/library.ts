/**
 * The ONNX Runtime library inside onnxruntime-node, loaded with koffi.
 *
 * Three facts about koffi shape this file. It unloads a library whose object is collected, although functions are
 * still used: the object is kept for the life of the process. It runs C on stacks of its own, by default too small
 * for loading a model. And it interns a type for every array length that is decoded, a leak when lengths vary:
 * memory is read through `view` instead.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { messageOf, UnsupportedError } from '../../util/errors.ts';
import { disableTelemetry } from '../telemetry.ts';
import { type NativeFunction, type OrtApi, type Pointer, wrapFunctions } from './calls.ts';
import { besideProvider } from './cuda.ts';
import { API_VERSION, ARGUMENTS, FUNCTIONS, type FunctionName, RESULTS } from './functions.ts';

export interface OrtLibrary {
  readonly file: string;
  /** Of ONNX Runtime, such as "1.30.0". */
  readonly version: string;
  readonly api: OrtApi;
  /** The UTF-8 text at an address, up to its NUL. */
  readText(address: Pointer): string;
  /** `count` addresses that lie one after the other. */
  readPointers(address: Pointer, count: number): Pointer[];
  /**
   * From now on the process ends without the destructors of its libraries. Those of the CUDA provider (1.30.0) crash at
   * exit on a machine without a GPU, which would turn every exit code into 139.
   */
  skipDestructors(): void;
  /** A copy of `length` bytes. */
  readBytes(address: Pointer, length: number): ArrayBuffer;
}

/** Loading a model and compiling shaders need more than koffi's 128 KiB; 16 MiB is its maximum. */
const STACK_BYTES = 8 << 20;

const LIBRARY_NAMES: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'libonnxruntime.so.1',
  darwin: 'libonnxruntime.1.dylib',
  win32: 'onnxruntime.dll',
};

/** By file; kept for life (see above). */
const loaded = new Map<string, Loaded>();

/** Set once for the process. */
let isEndingAtOnce = false;

interface Loaded extends OrtLibrary {
  readonly koffiLibrary: unknown;
}

/** Where onnxruntime-node keeps the library. Throws UnsupportedError when it has none for this machine. */
export function libraryPath(): string {
  const root = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  const name = LIBRARY_NAMES[process.platform];
  const file = name && path.join(root, 'bin', 'napi-v6', process.platform, process.arch, name);
  if (!file || !existsSync(file))
    throw new UnsupportedError(`onnxruntime-node has no library for ${process.platform} ${process.arch}`, {
      code: 'runtime-unavailable',
      hint: 'supported: linux x64 and arm64 (glibc 2.28 or newer), macOS arm64, Windows x64 and arm64',
      facts: { file },
    });
  return file;
}

/**
 * Loads koffi and the library (default: the one of onnxruntime-node). Throws UnsupportedError with the reason when
 * either cannot be loaded.
 */
export async function loadLibrary(file?: string): Promise<OrtLibrary> {
  let target = file;
  try {
    const { default: koffi } = await import('koffi');
    target ??= besideProvider(libraryPath());
    const library = loaded.get(target) ?? readLibrary(koffi, target);
    loaded.set(target, library);
    return library;
  } catch (error) {
    if (error instanceof UnsupportedError) throw error;
    const what = target === undefined ? '' : ` (${target})`;
    throw new UnsupportedError(`the C API of ONNX Runtime${what} cannot be loaded: ${messageOf(error)}`, {
      code: 'runtime-unavailable',
      hint: 'reinstall fsb; with FSB_RUNTIME=node it uses the JavaScript API of onnxruntime-node instead',
      cause: error,
    });
  }
}

type Koffi = typeof import('koffi')['default'];

function readLibrary(koffi: Koffi, file: string): Loaded {
  ensureStacks(koffi);
  disableTelemetry();
  const library = koffi.load(file);
  // OrtGetApiBase is the only symbol; it leads to { OrtApi* GetApi(version); const char* GetVersionString(); }
  const base: { GetApi: Pointer; GetVersionString: Pointer } = koffi.decode(
    library.func('OrtGetApiBase', 'void*', [])(),
    koffi.struct({ GetApi: 'void*', GetVersionString: 'void*' }),
  );
  const version: string = koffi.decode(base.GetVersionString, koffi.proto('const char*', []))();
  const table: Pointer | null = koffi.decode(base.GetApi, koffi.proto('void*', ['uint32_t']))(API_VERSION);
  if (!table)
    throw new UnsupportedError(`ONNX Runtime ${version} (${file}) does not offer version ${API_VERSION} of its C API`, {
      code: 'runtime-unavailable',
    });
  const length = 1 + Math.max(...Object.values(FUNCTIONS).map(([index]) => index));
  const slots: Pointer[] = koffi.decode(table, 'void*', length);
  const native = (name: FunctionName): NativeFunction => {
    const [index, args, result] = FUNCTIONS[name];
    const prototype = koffi.proto(
      RESULTS[result],
      args.map((kind) => ARGUMENTS[kind]),
    );
    return koffi.decode(slots[index]!, prototype);
  };
  return {
    koffiLibrary: library,
    file,
    version,
    api: wrapFunctions(native),
    skipDestructors() {
      if (isEndingAtOnce || process.platform === 'win32') return;
      isEndingAtOnce = true;
      const end = koffi.load(null).func('_exit', 'void', ['int']);
      process.on('exit', (code) => end(code));
    },
    readText: (address) => koffi.decode.string(address),
    readPointers: (address, count) => koffi.decode(address, 'void*', count),
    readBytes(address, length) {
      const copy = new Uint8Array(length);
      copy.set(new Uint8Array(koffi.view(address, length)));
      return copy.buffer;
    },
  };
}

/** koffi takes a configuration only before the first library of the process, so that it is set no more than once. */
function ensureStacks(koffi: Koffi): void {
  const config = koffi.config();
  if (Math.min(config.sync_stack_size ?? 0, config.async_stack_size ?? 0) < STACK_BYTES)
    koffi.config({ ...config, sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES });
}
