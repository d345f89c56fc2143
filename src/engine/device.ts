/** Devices by name, and what each needs of ONNX Runtime. Choosing is strict: a device that cannot work is an error. */
import { UnsupportedError, UsageError } from '../util/errors.ts';

interface DeviceEntry {
  /** As ONNX Runtime lists it among the providers of its build. */
  readonly provider: string;
  /** As the C API's SessionOptionsAppendExecutionProvider calls it; undefined where that is not the way. */
  readonly appendName?: string;
  /** As ONNX Runtime calls its memory (core/framework/allocator.h); undefined for main memory and where fsb cannot keep values. */
  readonly memory?: string;
  /** True when a number may follow: cuda:1. */
  readonly indexed?: boolean;
  /** What a machine needs, for errors. */
  readonly needs: string;
}

export const DEVICES = {
  cpu: { provider: 'CPUExecutionProvider', memory: 'Cpu', needs: 'nothing' },
  webgpu: {
    provider: 'WebGpuExecutionProvider',
    appendName: 'WebGPU',
    memory: 'WebGPU_Buf',
    needs:
      'WebGPU needs a GPU driver with Vulkan (Linux), Direct3D 12 (Windows) or Metal (macOS); on Linux without a GPU, Mesa 25 has a slow software one',
  },
  cuda: {
    provider: 'CUDAExecutionProvider',
    memory: 'Cuda',
    indexed: true,
    needs:
      "CUDA needs Linux x64, an NVIDIA GPU and driver, the CUDA and cuDNN 9 libraries, and ONNX Runtime's two provider files; --device webgpu runs on the same GPU with the driver alone",
  },
  dml: { provider: 'DmlExecutionProvider', appendName: 'DML', needs: 'DirectML needs Windows and a DirectX 12 GPU' },
  coreml: { provider: 'CoreMLExecutionProvider', appendName: 'CoreML', needs: 'Core ML needs macOS' },
} as const satisfies Record<string, DeviceEntry>;

export type DeviceKind = keyof typeof DEVICES;

export interface Device {
  readonly kind: DeviceKind;
  /** Which one of several, from 0. */
  readonly index: number;
  /** For people and reports: "cpu", "webgpu", "cuda:0". */
  readonly name: string;
}

/**
 * The device that a name means. "auto" is the CPU: the one device that is right and ready everywhere; a GPU is asked
 * for by name. Throws UsageError for a name that is none.
 */
export function parseDevice(name: string): Device {
  const [, kind = '', index] = /^([a-z]+)(?::(\d{1,3}))?$/.exec(name === 'auto' ? 'cpu' : name) ?? [];
  const entry: DeviceEntry | undefined = isDeviceKind(kind) ? DEVICES[kind] : undefined;
  if (!entry || !isDeviceKind(kind) || (index !== undefined && !entry.indexed))
    throw new UsageError(`unknown device "${name}"; expected auto, cpu, webgpu, cuda, cuda:N, dml or coreml`, {
      code: 'unknown-device',
    });
  return { kind, index: Number(index ?? 0), name: entry.indexed ? `${kind}:${Number(index ?? 0)}` : kind };
}

/** The kind of device that a provider of ONNX Runtime runs on; the provider's own name for one that fsb has no word for. */
export function kindOfProvider(provider: string): string {
  const kinds = Object.keys(DEVICES) as DeviceKind[];
  return kinds.find((kind) => DEVICES[kind].provider === provider) ?? provider;
}

/** The error for a device that cannot work here; `reason` is ONNX Runtime's. */
export function deviceUnavailable(device: Device, reason: string, cause?: unknown): UnsupportedError {
  return new UnsupportedError(`device ${device.name} is not available: ${reason}`, {
    code: 'device-unavailable',
    hint: DEVICES[device.kind].needs,
    facts: { device: device.name, reason },
    cause,
  });
}

/** The error for a device whose provider was not compiled into this build of ONNX Runtime. */
export function deviceNotInBuild(device: Device, included: readonly string[]): UnsupportedError {
  const where = `${process.platform} ${process.arch}`;
  return deviceUnavailable(device, `ONNX Runtime for ${where} has no such provider (it has ${included.join(', ')})`);
}

function isDeviceKind(name: string): name is DeviceKind {
  return Object.hasOwn(DEVICES, name);
}
