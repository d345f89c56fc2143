/** The type a model runs in where nobody names one: what measured best (benchmarks/README.md, Quantisation). */
import os from 'node:os';
import type { WritableDtype } from '../convert/dtypes.ts';
import { parseDevice } from '../engine/device.ts';
import { needsOf } from '../registry/needs.ts';

/** Models with fewer numbers answer at once in float32 too, which is exact. */
const SMALL_PARAMETERS = 50e6;
/** Share of the machine's memory that one model may take: a laptop does more than this. */
const MEMORY_SHARE = 0.75;

/**
 * Types in order of preference; the first is the one to convert to, the others will do when they are there already. On a
 * CPU int8 runs a large model in a third of float32's time at the same accuracy; int4 is for what memory cannot hold else.
 * @param device as --device names it
 */
export function preferredDtypes(
  parameters: number,
  device: string,
  memoryBytes: number = machineMemory(),
): readonly [WritableDtype, ...WritableDtype[]] {
  if (parameters < SMALL_PARAMETERS) return ['fp32'];
  if (parseDevice(device).kind !== 'cpu') return ['fp32', 'fp16'];
  // what an encoder takes is the most that int8 takes of any model
  const { memoryBytes: needed } = needsOf(parameters, 'encoder', undefined).find(({ dtype }) => dtype === 'int8')!;
  return needed <= MEMORY_SHARE * memoryBytes ? ['int8', 'int4', 'fp32', 'fp16'] : ['int4', 'int8', 'fp16', 'fp32'];
}

/** Of the machine, or what a container leaves of it. */
function machineMemory(): number {
  const limit = process.constrainedMemory(); // 0 or beyond all memory where there is none
  return limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem();
}
