/** Logits at some positions are those of the whole: for every encoder with such a head, in every type of its weights. */
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { PRESETS } from '../../benchmarks/checkpoints/presets.ts';
import { writeCheckpoint } from '../../benchmarks/checkpoints/write-checkpoint.ts';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import type { WritableDtype } from '../../src/convert/dtypes.ts';
import { Encoder, LOGIT_POSITIONS, type RowOutput } from '../../src/pipelines/encoder.ts';
import { convertMini } from '../helpers/minis.ts';
import { scratchFolder } from '../helpers/scratch.ts';
import { sharedSet } from '../helpers/shared.ts';

const scratch = scratchFolder('logits-at');
const opened: Encoder[] = [];
afterEach(() => {
  vi.unstubAllEnvs();
});
afterAll(() => Promise.all(opened.map((model) => model.dispose())));

const BERT = path.join(scratch, 'bert');
beforeAll(async () => {
  const small = { layers: 2, hidden: 64, heads: 4, vocabulary: 3000, positions: 40 };
  await writeCheckpoint(BERT, { ...PRESETS['bert-110m'], ...small, head: 'mlm' });
});

const GOLDENS = sharedSet('golden/models');
const CASES = [
  { model: 'bert', checkpoint: BERT },
  { model: 'erlangshen-mini' },
  { model: 'zhouwenwang-mini', output: 'lm_logits' }, // it has no other
  ...(GOLDENS ? [{ model: 'zhouwenwang-heads', checkpoint: path.join(GOLDENS, 'zhouwenwang-heads-fp16') }] : []),
] as const satisfies readonly { model: string; checkpoint?: string; output?: 'lm_logits' }[];
const DTYPES = ['fp32', 'fp16', 'int8', 'int4'] as const;

async function open(model: string, dtype: WritableDtype, checkpoint?: string): Promise<Encoder> {
  const folder = checkpoint ? path.join(scratch, `${model}-${dtype}`) : await convertMini(scratch, model, dtype);
  if (checkpoint) await convertCheckpoint(checkpoint, folder, { dtype });
  return reopen(folder);
}

async function reopen(folder: string): Promise<Encoder> {
  const model = await Encoder.open(folder, { threads: 2 });
  opened.push(model);
  return model;
}

/** Rows of different lengths, so that all but one are padded; positions in any order, twice, or none. */
const rows = [7, 19, 4, 12].map((length, row) => ({
  ids: Array.from({ length }, (_, t) => 5 + ((row * 31 + t * 17) % 390)),
}));
const positions = [[6], [3, 18, 0, 3], [], [11, 1]];

/** The same products, of which the kernels may sum up in another order. */
const TOLERANCE = 2e-5;

const rowOf = ({ shape, values }: RowOutput, row: number): Float32Array =>
  values.subarray(row * shape[1]!, (row + 1) * shape[1]!);

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);
}

describe.each(CASES)('$model', ({ model: name, ...rest }) => {
  const { checkpoint, output = 'mlm_logits' } = rest as { checkpoint?: string; output?: 'lm_logits' };

  it.each(DTYPES)('gives the same logits as at all positions (%s)', async (dtype) => {
    const model = await open(name, dtype, checkpoint);
    expect(model.takes(LOGIT_POSITIONS)).toBe(true);
    const whole = await model.run(rows, [output, 'last_hidden_state']);
    const some = await model.logitsAt(rows, positions, { output });
    for (const [row, wanted] of positions.entries()) {
      expect(some[row]!.shape).toEqual([wanted.length, Number(model.manifest.config.vocabularyRows)]);
      for (const [k, position] of wanted.entries())
        expect(largestDifference(rowOf(some[row]!, k), rowOf(whole[row]![0]!, position))).toBeLessThan(TOLERANCE);
    }
    // without logits among the outputs they are computed at one position, and nothing else changes
    const hidden = await model.run(rows, ['last_hidden_state']);
    expect(hidden.map(([only]) => only)).toEqual(whole.map(([, second]) => second));
  });
});

it('a session without the input gives them as well, from the logits of all positions', async () => {
  const current = await open('erlangshen-mini', 'fp32');
  vi.stubEnv('FSB_RUNTIME', 'node'); // its API knows no optional inputs; graphs of an older fsb have none either
  const other = await reopen(current.folder);
  expect(other.runtime).toBe('node');
  const [expected, found] = [await current.logitsAt(rows, positions), await other.logitsAt(rows, positions)];
  for (const [row, { shape, values }] of found.entries()) {
    expect(shape).toEqual(expected[row]!.shape);
    expect(largestDifference(values, expected[row]!.values)).toBeLessThan(TOLERANCE);
  }
});

it('no position at all gives no logits, one outside of its row is refused', async () => {
  const model = await open('erlangshen-mini', 'fp32');
  expect(await model.logitsAt(rows.slice(0, 1), [[]])).toEqual([{ shape: [0, 3456], values: new Float32Array() }]);
  await expect(model.logitsAt(rows, [[0], [0], [4], [0]])).rejects.toMatchObject({
    code: 'bad-row',
    message: 'row 2: positions: expected integers from 0 to 3, found 4',
  });
});
