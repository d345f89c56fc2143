/** UniMC's input form, and what a choice can see. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClueTask } from '../../../src/evaluation/clue-task.ts';
import type { Example } from '../../../src/evaluation/dataset.ts';
import { unimcMethod } from '../../../src/evaluation/methods/unimc.ts';
import { CLUE_TASKS } from '../../../src/evaluation/tasks/index.ts';
import { Encoder, type Row } from '../../../src/pipelines/encoder.ts';
import { convertMini } from '../../helpers/minis.ts';
import { scratchFolder } from '../../helpers/scratch.ts';

const scratch = scratchFolder('unimc');
let model: Encoder;
beforeAll(async () => {
  model = await Encoder.open(await convertMini(scratch, 'erlangshen-mini'));
});
afterAll(() => model.dispose());

const example = (text: string, more: Partial<Example> = {}): Example => ({ id: 0, label: undefined, text, ...more });

/** The model, with other methods in the place of its own. */
function standIn(others: Readonly<Record<string, unknown>>): Encoder {
  return new Proxy(model, {
    get: (target, key) => {
      const value: unknown = others[String(key)] ?? Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** The rows that a method gives the model. */
async function rowsOf(task: ClueTask, prompt: NonNullable<ClueTask['prompts']>['unimc'], row: Example): Promise<Row[]> {
  const seen: Row[] = [];
  const spy = standIn({
    logitsAt: (rows: Row[], positions: number[][]) => {
      seen.push(...rows);
      return model.logitsAt(rows, positions);
    },
  });
  const prepared = await unimcMethod(spy, task, prompt!).prepare([row]);
  await prepared.score([0]);
  return seen;
}

interface GoldenRow {
  readonly text: string;
  readonly pair: string;
  readonly choices: readonly string[];
  readonly input_ids: readonly number[];
  readonly token_type_ids: readonly number[];
  readonly position_ids: readonly number[];
  readonly scores: readonly number[];
}

/** PyTorch's inputs and scores on the mini; the file names the versions. */
const golden: readonly GoldenRow[] = JSON.parse(
  readFileSync(new URL('../../fixtures/mini/erlangshen-mini-unimc.json', import.meta.url), 'utf8'),
).rows;

describe('unimc', () => {
  it('reads and scores as PyTorch does', async () => {
    for (const count of [2, 3]) {
      const rows = golden.filter(({ choices }) => choices.length === count);
      const task = { ...CLUE_TASKS.afqmc, labels: rows[0]!.choices.map((zh) => ({ value: zh, zh })) };
      const words = Object.fromEntries(rows[0]!.choices.map((choice) => [choice, choice]));
      const prompt = { pair: '{pair}', words };
      const examples = rows.map(({ text, pair }) => example(text, { pair }));
      const prepared = await unimcMethod(model, task, prompt).prepare(examples);
      const scores = await prepared.score(rows.map((_, i) => i));
      for (const [i, row] of rows.entries()) {
        const [read] = await rowsOf(task, prompt, examples[i]!);
        expect(read).toMatchObject({
          ids: row.input_ids,
          typeIds: row.token_type_ids,
          positionIds: row.position_ids,
        });
        for (const [k, score] of scores[i]!.entries()) expect(Math.abs(score - row.scores[k]!)).toBeLessThan(1e-4);
      }
    }
  });

  it('puts a mask before each choice, begins positions anew, and goes on behind the longest choice', async () => {
    const [row] = await rowsOf(
      { ...CLUE_TASKS.afqmc, labels: CLUE_TASKS.afqmc.labels },
      { question: '同', pair: '{pair}', words: { '0': '不同月', '1': '同' } },
      example('山水', { pair: '水' }),
    );
    const id = (token: string) => model.requireTokenizer().idOf(token)!;
    expect(row).toMatchObject({
      ids: [
        '[CLS]',
        '[MASK]',
        '不',
        '同',
        '月',
        '[MASK]',
        '同',
        '[SEP]',
        '同',
        '[SEP]',
        '山',
        '水',
        '[SEP]',
        '水',
        '[SEP]',
      ].map(id),
      typeIds: [0, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
      positionIds: [0, 1, 2, 3, 4, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12],
      blocks: [0, 1, 1, 1, 1, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0],
      masks: [1, 5],
    });
  });

  it('cuts the text on its right, and halves choices that leave it no room', async () => {
    const { maxLength } = model;
    const long = await rowsOf(CLUE_TASKS.poet, CLUE_TASKS.poet.prompts!.unimc, example('月'.repeat(600)));
    expect(long[0]!.ids).toHaveLength(Math.min(512, maxLength));
    expect(long[0]!.ids.at(-1)).toBe(model.requireTokenizer().specialTokens.sep!.id);
    const words = Object.fromEntries(CLUE_TASKS.poet.labels.map(({ value }) => [value, '月'.repeat(400)]));
    const [halved] = await rowsOf(CLUE_TASKS.poet, { words }, example('山水'));
    const block = halved!.blocks!.filter((b) => b === 1).length;
    expect(400 % (block - 1)).toBeLessThan(block);
    expect(6 * block + 1).toBeLessThanOrEqual(Math.min(512, maxLength) - 32);
  });

  it('gives equal choices equal scores, wherever they stand and whatever batch they are in', async () => {
    const prompt = { words: { '0': '山', '1': '山' } };
    const prepared = await unimcMethod(model, CLUE_TASKS.afqmc, prompt).prepare([
      example('床前明月光'),
      example('疑是地上霜举头望明月'),
    ]);
    const [alone] = await prepared.score([0]);
    const [padded] = await prepared.score([0, 1]);
    expect(alone![0]).toBeCloseTo(alone![1]!, 5);
    for (const [k, score] of alone!.entries()) expect(padded![k]).toBeCloseTo(score, 4);
  });

  it('is refused by a rotary model, and by a graph of an older fsb with the way out', () => {
    const prompt = { words: { '0': '山', '1': '水' } };
    const without = (input: string) => standIn({ takes: (name: string) => name !== input });
    expect(() => unimcMethod(without('position_ids'), CLUE_TASKS.afqmc, prompt)).toThrow(
      expect.objectContaining({ code: 'no-position-ids', exitCode: 8 }),
    );
    expect(() => unimcMethod(without('query_key_mask'), CLUE_TASKS.afqmc, prompt)).toThrow(
      expect.objectContaining({ code: 'model-too-old', hint: expect.stringContaining('convert it again') }),
    );
  });
});
