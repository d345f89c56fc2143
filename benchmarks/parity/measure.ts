/** Runs a model folder on the inputs of a golden, whichever kind of model it is. */
import { Decoder } from '../../src/pipelines/decoder.ts';
import { Encoder, type RowOutput } from '../../src/pipelines/encoder.ts';
import { EncoderDecoder } from '../../src/pipelines/encoder-decoder.ts';
import { readManifest } from '../../src/registry/manifest.ts';
import { type CaseParity, compareCase, type Golden } from './compare.ts';

/** The parity of a converted model with its golden. */
export async function measureParity(folder: string, golden: Golden): Promise<CaseParity> {
  const manifest = await readManifest(folder);
  const { Model } =
    [EncoderDecoder, Encoder].map((Model) => ({ Model })).find(({ Model }) => Model.canOpen(manifest)) ?? {};
  if (Model) {
    const model = await Model.open(folder);
    try {
      return await compareCase(golden, (rows, outputs) => model.run(rows, outputs));
    } finally {
      await model.dispose();
    }
  }
  const model = await Decoder.open(folder);
  try {
    return await compareCase(
      golden,
      (rows, outputs) => model.run(rows, outputs),
      (ids, count) => runSteps(model, ids, count),
    );
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
