import { afterAll, describe, expect, it } from 'vitest';
import { Encoder } from '../../src/pipelines/encoder.ts';
import { convertMini } from '../helpers/minis.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const scratch = scratchFolder('encoder');
const opened: Encoder[] = [];
afterAll(() => Promise.all(opened.map((model) => model.dispose())));

/** Calls as different callers make them: batches of one to three rows, of all lengths. */
const calls = Array.from({ length: 24 }, (_, call) =>
  Array.from({ length: 1 + (call % 3) }, (_, row) => ({
    ids: Array.from(
      { length: 2 + ((call * 7 + row * 5) % 40) },
      (_, t) => 5 + ((call * 31 + row * 17 + t * 13) % 3000),
    ),
  })),
);

describe('one session', () => {
  it.each(['fp32', 'int8'] as const)('serves callers at once, each as if it were alone (%s)', async (dtype) => {
    const model = await Encoder.open(await convertMini(scratch, 'erlangshen-mini', dtype), { threads: 2 });
    opened.push(model);
    const run = (rows: (typeof calls)[number]) => model.run(rows, ['last_hidden_state']);
    const alone: Awaited<ReturnType<typeof run>>[] = [];
    for (const rows of calls) alone.push(await run(rows));
    expect(await Promise.all(calls.map(run))).toEqual(alone);
  });
});
