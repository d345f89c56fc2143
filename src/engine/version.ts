/** Which ONNX Runtime there is. */
import { createRequire } from 'node:module';

/** The version of the installed onnxruntime-node, whose library both bindings drive. */
export function runtimeVersion(): string {
  const manifest = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
  return manifest.version;
}
