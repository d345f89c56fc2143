/** Runs a model folder on the inputs of a golden, whichever kind of model it is. */
import { Decoder } from '../../src/pipelines/decoder.ts';
import type { RowOutput } from '../../src/pipelines/encoder.ts';
import { openRunnable } from '../../src/pipelines/runnable.ts';
import { type CaseParity, compareCase, type Golden } from './compare.ts';

/** The parity of a converted model with its golden. */
export async function measureParity(folder: string, golden: Golden): Promise<CaseParity> {
  const model = await openRunnable(folder);
  const steps =
    model instanceof Decoder ? (ids: readonly number[], count: number) => runSteps(model, ids, count) : undefined;
  try {
    return await compareCase(golden, (rows, outputs) => model.run(rows, outputs), steps);
  } finally {
    await model.dispose();
  }
}

// --- internal ---

/** The logits after the first `count` ids, then after each further one, with the cache. */
async function runSteps(model: Decoder, ids: readonly number[], count: number): Promise<RowOutput> {
  const { cache, logits } = await model.prefill(ids.slice(0, count));
  try {
    const rows = [logits];
    for (const id of ids.slice(count)) rows.push((await cache.step([0], [[id]]))[0]![0]!);
    const values = new Float32Array(rows.length * model.columns);
    for (const [i, row] of rows.entries()) values.set(row, i * model.columns);
    return { shape: [rows.length, model.columns], values };
  } finally {
    await cache.dispose();
  }
}
