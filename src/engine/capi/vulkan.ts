/** WebGPU on Linux goes through Vulkan: a loader, and a driver that the loader finds. */

const LOADER = 'libvulkan.so.1';

/** What is missing of it, for a `reason` of ONNX Runtime: "No supported adapters", whatever it is. */
export async function diagnoseVulkan(reason: string): Promise<string[]> {
  if (process.platform !== 'linux' || !/adapter/i.test(reason)) return [];
  const { default: koffi } = await import('koffi');
  try {
    koffi.load(LOADER).unload();
  } catch {
    return [`the Vulkan loader ${LOADER} cannot be opened; install it (Debian, Ubuntu: libvulkan1) and a driver`];
  }
  return [
    'Vulkan has no driver that WebGPU can use; install the one of the GPU, or Mesa 25 or newer (Debian, Ubuntu: mesa-vulkan-drivers)',
  ];
}
