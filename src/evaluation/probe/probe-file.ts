/** A trained probe as a file beside its run: what --resume takes instead of training, and what others can look at. */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { UsageError } from '../../util/errors.ts';
import { pathExists, writeTextFile } from '../../util/files.ts';
import { parseWith, readJson } from '../../util/json.ts';
import type { FeatureIdentity } from './feature-file.ts';
import type { TrainedProbe } from './train.ts';

const count = z.number().int().nonnegative();
const probeSchema = z.strictObject({
  schema: z.literal('fsb.eval-probe/1'),
  /** What it was trained on, and how. */
  identity: z.record(z.string(), z.unknown()),
  l2: z.number(),
  path: z.array(z.strictObject({ l2: z.number(), loss: z.number() })),
  fitted: count,
  heldOut: count,
  size: count,
  bias: z.array(z.number()).min(1),
  /** One list per class; logits = weights · features + bias. */
  weights: z.array(z.array(z.number())).min(1),
});

/** Writes the file whole or not at all. Numbers come back to the bit. */
export async function writeProbe(file: string, identity: FeatureIdentity, trained: TrainedProbe): Promise<void> {
  const { head, ...rest } = trained;
  const { size } = head;
  const weights = Array.from(head.bias, (_, c) => Array.from(head.weights.subarray(c * size, (c + 1) * size)));
  const document = { schema: 'fsb.eval-probe/1', identity, ...rest, size, bias: Array.from(head.bias), weights };
  await writeTextFile(file, [`${JSON.stringify(document)}\n`]);
}

/** The probe of a former run; undefined where there is none. Throws UsageError when it is another run's. */
export async function readProbe(file: string, identity: FeatureIdentity): Promise<TrainedProbe | undefined> {
  if (!(await pathExists(file))) return undefined;
  const {
    schema: _,
    identity: found,
    size,
    bias,
    weights,
    ...rest
  } = parseWith(probeSchema, await readJson(file), file);
  if (!isDeepStrictEqual(found, JSON.parse(JSON.stringify(identity))))
    throw new UsageError(`${file} is the probe of another run: ${JSON.stringify(found)}`, {
      code: 'resume-differs',
      hint: 'resume with the options of the first start, or name another --out',
    });
  return { ...rest, head: { size, bias: Float64Array.from(bias), weights: Float64Array.from(weights.flat()) } };
}
