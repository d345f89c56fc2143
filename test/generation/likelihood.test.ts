/** Log-probabilities of given tokens are those of PyTorch: left to right, through an encoder-decoder, and masked in turn. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { scoreContinuations } from '../../src/generation/score.ts';
import { Decoder } from '../../src/pipelines/decoder.ts';
import { Encoder } from '../../src/pipelines/encoder.ts';
import { EncoderDecoder } from '../../src/pipelines/encoder-decoder.ts';
import { logSumExp } from '../../src/tensor/math.ts';
import { scratchFolder } from '../helpers/scratch.ts';
import { sharedSet } from '../helpers/shared.ts';

interface Entry {
  readonly model: string;
  readonly prompt?: number[];
  readonly continuation?: number[];
  readonly source?: number[];
  readonly target?: number[];
  readonly decoder_start_token_id?: number;
  readonly input_ids?: number[];
  readonly mask_id?: number;
  readonly log_probabilities: number[];
}

const scratch = scratchFolder('likelihood');
const shared = sharedSet('golden');
const entries =
  shared === undefined
    ? []
    : (JSON.parse(readFileSync(path.join(shared, 'generation/likelihood.json'), 'utf8')).entries as Entry[]);
const models = [...new Set(entries.map(({ model }) => model))];

async function score(folder: string, entry: Entry): Promise<number[]> {
  if (entry.prompt) {
    const model = await Decoder.open(folder);
    const [perToken] = await scoreContinuations(model, entry.prompt, [entry.continuation!]).finally(() =>
      model.dispose(),
    );
    return perToken!;
  }
  if (entry.source) {
    const model = await EncoderDecoder.open(folder);
    try {
      return (
        await scoreContinuations(await model.withSource(entry.source), [entry.decoder_start_token_id!], [entry.target!])
      )[0]!;
    } finally {
      await model.dispose();
    }
  }
  const model = await Encoder.open(folder);
  const output = model.has('mlm_logits') ? 'mlm_logits' : 'lm_logits';
  const ids = entry.input_ids!;
  const positions = ids.map((_, t) => t).filter((t) => t > 0 && t < ids.length - 1);
  const rows = await model
    .run(
      positions.map((t) => ({ ids: ids.with(t, entry.mask_id!) })),
      [output],
    )
    .finally(() => model.dispose());
  return positions.map((t, i) => {
    const { shape, values } = rows[i]![0]!;
    const logits = values.subarray(t * shape[1]!, (t + 1) * shape[1]!);
    return logits[ids[t]!]! - logSumExp(logits);
  });
}

describe('log-probabilities', () => {
  it('have goldens, or are told to be missing', () => {
    expect(shared === undefined || entries.length > 0).toBe(true);
  });

  it.each(models)('of %s are PyTorch’s', async (name) => {
    const folder = path.join(scratch, name);
    await convertCheckpoint(path.join(shared!, 'models', name), folder);
    for (const entry of entries.filter(({ model }) => model === name)) {
      const perToken = await score(folder, entry);
      expect(perToken).toHaveLength(entry.log_probabilities.length);
      for (const [i, value] of perToken.entries())
        expect(Math.abs(value - entry.log_probabilities[i]!)).toBeLessThan(1e-4);
    }
  });
});
