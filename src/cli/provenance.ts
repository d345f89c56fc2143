/** On what a result was obtained: written beside every score. */
import os from 'node:os';
import { runtimeVersion } from '../engine/version.ts';
import { readCommit } from '../util/commit.ts';
import { FSB_VERSION } from '../util/version.ts';

/** Versions, commit (null where unknown), machine, device and threads. `threads` undefined = one per physical core. */
export function environmentOf(
  model: { readonly runtime: string; readonly device: string },
  threads: number | undefined,
): Readonly<Record<string, unknown>> {
  return {
    fsb: FSB_VERSION,
    commit: readCommit() ?? null,
    node: process.version,
    onnxruntime: runtimeVersion(),
    runtime: model.runtime,
    device: model.device,
    threads: threads ?? 'one per physical core',
    platform: `${process.platform} ${process.arch}`,
    cpu: os.cpus()[0]?.model ?? 'unknown',
  };
}
