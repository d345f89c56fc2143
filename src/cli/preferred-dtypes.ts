/** The type a model runs in where nobody names one: what measured best (benchmarks/README.md, Quantisation). */
import os from 'node:os';
import type { WritableDtype } from '../convert/dtypes.ts';
import { parseDevice } from '../engine/device.ts';
import { needsOf, type Sized } from '../registry/needs.ts';

type Preference = readonly [WritableDtype, ...WritableDtype[]];

/** Models with fewer numbers answer at once in float32 too, which is exact. */
const SMALL_PARAMETERS = 50e6;
/** Share of the machine's memory that one model may take: a machine does more than this. */
const MEMORY_SHARE = 0.75;

/**
 * On a CPU, the first that memory can hold. Decoders: int8 generates nearly as fast as int4 and is as near to float32 as one
 * can tell. Encoders: in int8 the answer to a text depends a little on the texts beside it, since one scale serves the
 * activations of a batch; a score must not.
 */
const ON_CPU: Readonly<Record<Sized['workload'], Preference>> = {
  decoder: ['int8', 'int4'],
  encoder: ['fp32', 'int8', 'int4'],
};

/**
 * Types in order of preference: the first is the one to convert to, the others will do when they are there already.
 * @param device as --device names it
 */
export function preferredDtypes(
  model: Sized,
  device: string,
  memoryBytes: number = machineMemory(),
): readonly [WritableDtype, ...WritableDtype[]] {
  if (model.parameters < SMALL_PARAMETERS || parseDevice(device).kind !== 'cpu') return ['fp32'];
  const needs = new Map(needsOf(model).map(({ dtype, memoryBytes }) => [dtype, memoryBytes]));
  const preference = ON_CPU[model.workload];
  const [first, ...others] = preference.filter((dtype) => needs.get(dtype)! <= MEMORY_SHARE * memoryBytes);
  return first ? [first, ...others] : ['int4'];
}

/** Of the machine, or what a container leaves of it. */
function machineMemory(): number {
  const limit = process.constrainedMemory(); // 0 or beyond all memory where there is none
  return limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem();
}
