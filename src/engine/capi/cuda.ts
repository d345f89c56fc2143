/**
 * CUDA's part of ONNX Runtime: where its files are looked for, and why it does not work. onnxruntime-node comes without
 * them. ONNX Runtime opens them beside its own library, so that a folder of ours with both needs a link to that library.
 */
import { existsSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { cudaFolder } from '../../registry/home.ts';
import { messageOf } from '../../util/errors.ts';
import type { Device } from '../device.ts';
import { runtimeVersion } from '../version.ts';
import { neededLibraries } from './elf.ts';

/** What a CUDA provider consists of. */
export const PROVIDER_FILES = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'] as const;

/** By major version of CUDA: what the provider opens while it runs, and the oldest driver (CUDA's release notes). */
const CUDA_VERSIONS: Readonly<Record<number, { readonly opened: readonly string[]; readonly driver: string }>> = {
  12: { opened: ['libcudnn.so.9', 'libcufft.so.11', 'libnvrtc.so.12'], driver: '525' },
  13: { opened: ['libcudnn.so.9', 'libcufft.so.12', 'libnvrtc.so.13'], driver: '580' },
};

const DRIVER = 'libcuda.so.1';

/** Of NVIDIA's, among all that a provider needs. */
const NVIDIA = /^lib(cuda|cudart|cublas|cublasLt|curand|cufft|cudnn|nvrtc)\.so/;

/** Options of the provider. Without TF32, float32 is float32: its products have 10 bits, which no golden would pass. */
export function providerOptions({ index }: Device): Readonly<Record<string, string>> {
  return { device_id: String(index), use_tf32: '0' };
}

/**
 * The library to load: `own`, or, when the provider's files lie in the folder for them, a link to it there (made when
 * missing). Where that cannot be made, `own` again: diagnoseCuda then says so.
 */
export function besideProvider(own: string): string {
  const folder = cudaFolder();
  if (process.platform !== 'linux' || !hasProvider(folder)) return own;
  const link = path.join(folder, path.basename(own));
  return linkTo(own, link) === undefined ? link : own;
}

/** Why CUDA cannot be used, each with what to do; empty when nothing is missing. `own`: the library of onnxruntime-node. */
export async function diagnoseCuda(own: string, device: Device): Promise<string[]> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return [`CUDA works with fsb on Linux x64 only; this is ${process.platform} ${process.arch}`];
  const folders = [path.dirname(own), cudaFolder()];
  const folder = folders.find(hasProvider);
  if (folder === undefined)
    return [
      `${PROVIDER_FILES.join(' and ')} are neither in ${folders.join(' nor in ')}; take them from ONNX Runtime ${runtimeVersion()} for GPUs (folder onnxruntime/capi of PyPI's onnxruntime-gpu ${runtimeVersion()}) and put them into ${cudaFolder()}`,
    ];
  const linkFailure = folder === cudaFolder() ? linkTo(own, path.join(folder, path.basename(own))) : undefined;
  if (linkFailure !== undefined) return [`a link to ${own} cannot be made in ${folder}: ${linkFailure}`];
  let needed: string[];
  try {
    needed = neededLibraries(path.join(folder, PROVIDER_FILES[1])).filter((name) => NVIDIA.test(name));
  } catch (error) {
    return [messageOf(error)];
  }
  return diagnoseLibraries(needed, device);
}

// --- internal ---

function hasProvider(folder: string): boolean {
  return PROVIDER_FILES.every((name) => existsSync(path.join(folder, name)));
}

/** Makes `link` point to `target`; returns why that is impossible. */
function linkTo(target: string, link: string): string | undefined {
  const current = (): string | undefined => {
    try {
      return readlinkSync(link);
    } catch {
      return undefined; // not there, or something else than a link
    }
  };
  if (current() === target) return undefined;
  try {
    rmSync(link, { force: true });
    symlinkSync(target, link);
    return undefined;
  } catch (error) {
    return current() === target ? undefined : messageOf(error); // another process may have made it just now
  }
}

/** Opens each library as the provider would. */
async function diagnoseLibraries(needed: readonly string[], device: Device): Promise<string[]> {
  const { default: koffi } = await import('koffi');
  const opens = (name: string): boolean => {
    try {
      koffi.load(name).unload();
      return true;
    } catch {
      return false;
    }
  };
  const major = Number(needed.map((name) => /^libcudart\.so\.(\d+)/.exec(name)?.[1]).find((version) => version));
  const { opened = [], driver } = CUDA_VERSIONS[major] ?? {};
  const version = Number.isNaN(major) ? 'CUDA' : `CUDA ${major}`;
  if (needed.includes(DRIVER) && !opens(DRIVER))
    return [
      `there is no NVIDIA driver: ${DRIVER} cannot be opened; ${version} needs driver ${driver ?? 'as its release notes say'} or newer`,
    ];
  const problems: string[] = [];
  const absent = [...needed, ...opened].filter((name) => name !== DRIVER && !opens(name));
  if (absent.length > 0)
    problems.push(
      `${absent.join(', ')} cannot be opened; install ${version} and cuDNN 9, and add their folders to LD_LIBRARY_PATH`,
    );
  const found = queryDriver(koffi);
  if (found && !Number.isNaN(major) && found.version < 1000 * major)
    problems.push(
      `the NVIDIA driver supports CUDA ${Math.floor(found.version / 1000)}, the provider wants ${version}; update it to ${driver} or newer`,
    );
  if (found && found.devices <= device.index)
    problems.push(
      found.devices === 0
        ? 'the NVIDIA driver finds no GPU'
        : `there is no GPU ${device.index}; the last one is cuda:${found.devices - 1}`,
    );
  return problems;
}

/** The CUDA version a driver supports (13000 = 13.0) and how many GPUs it has; undefined when it does not say. */
function queryDriver(koffi: typeof import('koffi')['default']): { version: number; devices: number } | undefined {
  try {
    const library = koffi.load(DRIVER);
    const ask = (name: string): number => {
      const result = [0];
      const status: number = library.func(name, 'int', ['_Out_ int*'])(result);
      return status === 0 ? result[0]! : 0;
    };
    library.func('cuInit', 'int', ['uint'])(0);
    return { version: ask('cuDriverGetVersion'), devices: ask('cuDeviceGetCount') };
  } catch {
    return undefined; // no driver, which has been said
  }
}
