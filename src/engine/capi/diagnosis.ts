/** Why a device does not work here: looked up where ONNX Runtime's own words leave people alone. */
import { UnsupportedError } from '../../util/errors.ts';
import type { Device, DeviceKind } from '../device.ts';
import { diagnoseCuda } from './cuda.ts';
import { libraryPath } from './library.ts';
import { diagnoseVulkan } from './vulkan.ts';

/** Each gets ONNX Runtime's reason and gives what is missing and what to do about it; nothing when it finds nothing. */
const DIAGNOSES: Partial<Record<DeviceKind, (device: Device, reason: string) => Promise<string[]>>> = {
  cuda: (device) => diagnoseCuda(libraryPath(), device),
  webgpu: (_, reason) => diagnoseVulkan(reason),
};

/** The failure of a session; that of a device that is not available, with the diagnosis as its reason. */
export async function diagnosed(failure: unknown, device: Device): Promise<unknown> {
  if (!(failure instanceof UnsupportedError) || failure.code !== 'device-unavailable') return failure;
  const problems = (await DIAGNOSES[device.kind]?.(device, failure.message)) ?? [];
  if (problems.length === 0) return failure;
  const reason = problems.join('; ');
  return new UnsupportedError(`device ${device.name} is not available: ${reason}`, {
    code: failure.code,
    hint: failure.hint,
    facts: { device: device.name, reason, runtimeMessage: failure.message },
    cause: failure,
  });
}
