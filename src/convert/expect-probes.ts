/** What a converted model must compute on a few ids, from the checkpoint's own tensors and not from the graph. */
import type { ModelPlan } from '../architectures/architecture.ts';
import type { ManifestProbe } from '../registry/manifest.ts';
import { type LazyTensor, readFloat32 } from '../tensor/lazy-tensor.ts';
import type { WritableDtype } from './dtypes.ts';

/** A text and its ids, or ids alone where there is no tokenizer. */
export interface ProbeText {
  readonly text: string;
  readonly ids: readonly number[];
}

/** More tokens prove nothing more and cost a second each in a large model. */
export const MAX_PROBE_TOKENS = 10;

/**
 * Largest difference, relative to the largest value. float32 leaves room for another order of summation; a checkpoint
 * of more bits stored as float16 has lost up to 13 bits of every weight; integers round weights and activations, and a
 * wrong layout still differs by as much as the values themselves.
 */
const RELATIVE_TOLERANCE = { exact: 1e-4, fp16: 2e-2, int8: 0.1, int4: 0.4 };

/** The probes of a plan, with the expected values. */
export async function expectProbes(
  plan: ModelPlan,
  tensors: ReadonlyMap<string, LazyTensor>,
  dtype: WritableDtype,
  probe: ProbeText = { text: '', ids: fallbackIds(plan) },
): Promise<ManifestProbe[]> {
  const read = (name: string, from?: number, to?: number): Promise<Float32Array> => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`the reference reads tensor "${name}", which the architecture does not list`);
    return readFloat32(tensor, from, to);
  };
  const { inputs, outputs } = await plan.probe.expect(probe.ids.slice(0, MAX_PROBE_TOKENS), read);
  const tolerance = toleranceOf(dtype, tensors);
  return Object.entries(outputs).map(([output, values]) => ({
    text: probe.text,
    graph: plan.probe.graph.name,
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, row]) => [name, [...row]])),
    output,
    values: values.map(Math.fround),
    tolerance: tolerance * Math.max(1, ...values.map(Math.abs)),
  }));
}

// --- internal ---

function toleranceOf(dtype: WritableDtype, tensors: ReadonlyMap<string, LazyTensor>): number {
  if (dtype === 'int8' || dtype === 'int4') return RELATIVE_TOLERANCE[dtype];
  const isRounded = dtype === 'fp16' && [...tensors.values()].some((tensor) => tensor.dtype !== 'float16');
  return RELATIVE_TOLERANCE[isRounded ? 'fp16' : 'exact'];
}

function fallbackIds(plan: ModelPlan): number[] {
  const rows = Number(plan.dimensions.vocabularyRows);
  return Array.from({ length: 8 }, (_, i) => (1 + 7 * i) % rows);
}
