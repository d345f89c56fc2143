/** Runs a model folder on the inputs of a golden, whichever kind of model it is, on one device or on two. */
import { Decoder } from '../../src/pipelines/decoder.ts';
import type { RowOutput } from '../../src/pipelines/encoder.ts';
import { openRunnable, type Runnable } from '../../src/pipelines/runnable.ts';
import { type CaseParity, compareCase, type Golden, type RunRows, type RunSteps } from './compare.ts';

/** The parity of a converted model with its golden. */
export async function measureParity(folder: string, golden: Golden, device = 'cpu'): Promise<CaseParity> {
  const model = await openRunnable(folder, { device });
  try {
    const { run, steps } = runnersOf(model);
    return await compareCase(golden, run, steps);
  } finally {
    await model.dispose();
  }
}

export interface DeviceParity {
  readonly cpu: CaseParity;
  readonly device: CaseParity;
  /** Largest difference between the two over all outputs, those in the golden and those beside it. */
  readonly betweenThem: number;
  /** Graphs with heavy operators that the device left to the CPU, in the engine's words. */
  readonly warnings: readonly string[];
}

/** The same model on the CPU and on a device, each against the golden and against each other. */
export async function measureDevices(folder: string, golden: Golden, device: string): Promise<DeviceParity> {
  const warnings: string[] = [];
  const onWarning = (message: string): void => void warnings.push(message);
  const cpu = await openRunnable(folder, { device: 'cpu' });
  try {
    const other = await openRunnable(folder, { device, onWarning });
    try {
      const [onCpu, onDevice] = [runnersOf(cpu), runnersOf(other)];
      const kept: RowOutput[] = [];
      const cpuParity = await compareCase(golden, keeping(onCpu.run, kept), keepingSteps(onCpu.steps, kept));
      const seen: RowOutput[] = [];
      const parity = await compareCase(golden, keeping(onDevice.run, seen), keepingSteps(onDevice.steps, seen));
      return { cpu: cpuParity, device: parity, betweenThem: largestDifference(kept, seen), warnings };
    } finally {
      await other.dispose();
    }
  } finally {
    await cpu.dispose();
  }
}

// --- internal ---

interface Runners {
  readonly run: RunRows;
  readonly steps: RunSteps | undefined;
}

function runnersOf(model: Runnable): Runners {
  return {
    run: (rows, outputs) => model.run(rows, outputs),
    steps: model instanceof Decoder ? (ids, count) => runSteps(model, ids, count) : undefined,
  };
}

function keeping(run: RunRows, kept: RowOutput[]): RunRows {
  return async (rows, outputs) => {
    const results = await run(rows, outputs);
    kept.push(...results.flat());
    return results;
  };
}

function keepingSteps(steps: RunSteps | undefined, kept: RowOutput[]): RunSteps | undefined {
  return (
    steps &&
    (async (ids, count) => {
      const result = await steps(ids, count);
      kept.push(result);
      return result;
    })
  );
}

function largestDifference(a: readonly RowOutput[], b: readonly RowOutput[]): number {
  let largest = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (const [i, { values }] of a.entries())
    for (const [k, value] of values.entries())
      largest = Math.max(largest, Math.abs(value - (b[i]?.values[k] ?? Number.NaN)));
  return largest;
}

/** The logits after the first `count` ids, then after each further one, with the cache. */
async function runSteps(model: Decoder, ids: readonly number[], count: number): Promise<RowOutput> {
  const { cache, logits } = await model.prefill(ids.slice(0, count));
  try {
    const rows = [logits];
    // a step writes where the one before it wrote
    for (const id of ids.slice(count)) rows.push((await cache.step([0], [[id]]))[0]![0]!.slice());
    const values = new Float32Array(rows.length * model.columns);
    for (const [i, row] of rows.entries()) values.set(row, i * model.columns);
    return { shape: [rows.length, model.columns], values };
  } finally {
    await cache.dispose();
  }
}
