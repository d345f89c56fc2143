/** Runs a model's probes: known inputs with known answers. `convert` checks with it before a final name, `verify` after. */

import path from 'node:path';
import { openSession, type SessionOptions } from '../engine/open-session.ts';
import { int64Tensor, toFloat32 } from '../engine/tensor.ts';
import type { Manifest, ManifestProbe } from '../registry/manifest.ts';
import { ValidationError } from '../util/errors.ts';
import { emptyPast } from './decoder.ts';
import type { OpenModelOptions } from './encoder.ts';

export interface ProbeResult {
  readonly text: string;
  readonly graph: string;
  readonly output: string;
  readonly maxDifference: number;
  readonly tolerance: number;
  readonly ok: boolean;
}

/**
 * Runs the manifest's probes in its order. Never throws for a probe that fails; see requireProbes.
 * A probe of a graph whose numbers are not finite has an infinite difference.
 */
export async function runProbes(
  folder: string,
  manifest: Manifest,
  options: OpenModelOptions = {},
): Promise<ProbeResult[]> {
  const results: ProbeResult[] = [];
  for (const graph of manifest.graphs) {
    const probes = manifest.probes.filter((probe) => probe.graph === graph.name);
    if (probes.length === 0) continue;
    const session = await openSession(path.join(folder, graph.file), probeSession(manifest, options));
    try {
      for (const probe of probes) {
        const { graphName } = graph.outputs.find(({ name }) => name === probe.output)!;
        const ids = Object.entries(probe.inputs).map(([name, row]) => [name, int64Tensor([row])] as const);
        const feeds = { ...Object.fromEntries(ids), ...emptyPast(graph) };
        const outputs = await session.run(feeds, [graphName]);
        results.push(compare(probe, toFloat32(outputs[graphName]!)));
      }
    } finally {
      await session.dispose();
    }
  }
  return results;
}

/** Throws ValidationError (exit code 9) naming each failed probe. */
export function requireProbes(results: readonly ProbeResult[], name: string): void {
  const failed = results.filter(({ ok }) => !ok);
  if (failed.length === 0) return;
  const lines = failed.map(
    ({ graph, output, maxDifference, tolerance }) =>
      `${graph}/${output}: differs by ${maxDifference.toExponential(2)}, at most ${tolerance.toExponential(1)} was expected`,
  );
  throw new ValidationError(`${name}: ${failed.length} of ${results.length} probes failed:\n  ${lines.join('\n  ')}`, {
    code: 'probe-failed',
    hint: 'the model does not compute what its checkpoint says; convert it again, and report it if that fails too',
    facts: { failed },
  });
}

// --- internal ---

/**
 * Of one run, what ONNX Runtime prepares for many would be the larger half of the memory: packed copies of the matrices
 * (580 MB for one layer of 2048), and whole tables behind a folded Slice of some rows. MatMulNBits has no kernel that
 * reads its weights unpacked.
 */
function probeSession({ dtype }: Manifest, options: OpenModelOptions): SessionOptions {
  const config = { 'optimization.disable_specified_optimizers': 'ConstantFolding' };
  if (dtype === 'int8' || dtype === 'int4') return { ...options, config };
  return { ...options, config: { ...config, 'session.disable_prepacking': '1' } };
}

function compare(probe: ManifestProbe, values: Float32Array): ProbeResult {
  let maxDifference = values.length < probe.values.length ? Number.POSITIVE_INFINITY : 0;
  for (let i = 0; i < Math.min(values.length, probe.values.length); i++) {
    const difference = Math.abs(values[i]! - probe.values[i]!);
    maxDifference = Number.isFinite(difference) ? Math.max(maxDifference, difference) : Number.POSITIVE_INFINITY;
  }
  const { text, graph, output, tolerance } = probe;
  return { text, graph, output, maxDifference, tolerance, ok: maxDifference <= tolerance };
}
