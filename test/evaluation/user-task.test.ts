import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSplit } from '../../src/evaluation/dataset.ts';
import { isTaskFile, readUserTask } from '../../src/evaluation/user-task.ts';
import { temporaryFolder } from './fixtures.ts';

const TASK = {
  name: 'tickets',
  title: 'support tickets',
  data: { train: 'train.jsonl', dev: 'rows/dev.jsonl' },
  fields: { text: 'message', label: 'kind' },
  labels: ['bug', { value: 'wish', zh: '愿望', aliases: ['feature'] }],
  prompts: { cloze: { pattern: '{product}：{mask}。{text}', words: { bug: '错', wish: '愿' } } },
};

async function write(task: unknown, rows: readonly object[] = []) {
  const folder = await temporaryFolder();
  await mkdir(path.join(folder, 'rows'));
  await writeFile(path.join(folder, 'task.json'), JSON.stringify(task));
  await writeFile(path.join(folder, 'rows', 'dev.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
  return path.join(folder, 'task.json');
}

describe('a user’s own task', () => {
  it('reads its rows by the fields it names, from files beside it', async () => {
    const file = await write(TASK, [
      { id: 'a', message: '打不开', kind: 'bug', product: '地图', lines: [1] },
      { message: '想要夜间模式', kind: 'wish' },
    ]);
    const { task, folder } = await readUserTask(file);
    const data = await loadSplit({ task, source: folder });
    expect(data.examples).toEqual([
      { id: 'a', text: '打不开', label: 'bug', fields: { id: 'a', message: '打不开', kind: 'bug', product: '地图' } },
      { id: 1, text: '想要夜间模式', label: 'wish', fields: { message: '想要夜间模式', kind: 'wish' } },
    ]);
    expect(task).toMatchObject({ name: 'tickets', maxLength: 128, title: { zh: 'support tickets' } });
    expect(task.labels).toEqual([
      { value: 'bug', zh: 'bug' },
      { value: 'wish', zh: '愿望', aliases: ['feature'] },
    ]);
  });

  it('takes numbers and booleans for labels, and a pair', async () => {
    const fields = { text: 'a', pair: 'b', label: 'same' };
    const file = await write({ ...TASK, data: 'rows/dev.jsonl', fields, labels: ['true', 'false'], prompts: {} }, [
      { a: 'x', b: 'y', same: true },
    ]);
    const { task, folder } = await readUserTask(file);
    expect((await loadSplit({ task, source: folder })).examples[0]).toMatchObject({
      text: 'x',
      pair: 'y',
      label: 'true',
    });
  });

  it('names file, line and field of a broken row', async () => {
    const { task, folder } = await readUserTask(await write(TASK, [{ kind: 'bug' }]));
    await expect(loadSplit({ task, source: folder })).rejects.toThrow(/dev\.jsonl, line 1: message: expected a string/);
    const other = await readUserTask(await write(TASK, [{ message: 'x', kind: 'joy' }]));
    await expect(loadSplit({ task: other.task, source: other.folder })).rejects.toMatchObject({
      code: 'unknown-label',
    });
  });

  it('is refused with the field that is wrong', async () => {
    const refused = async (change: object) => expect(readUserTask(await write({ ...TASK, ...change }))).rejects;
    await (await refused({ name: 'A b' })).toThrow(/name: expected lower-case/);
    await (await refused({ labels: ['x'] })).toThrow(/labels/);
    await (await refused({ labels: ['x', 'x'] })).toThrow(/"x" stands there twice/);
    await (await refused({ colour: 1 })).toThrow(/colour/);
    const words = { bug: '错', wisch: '愿' };
    await (await refused({ prompts: { cloze: { pattern: '{mask}', words } } })).toThrow(
      /prompts\.cloze\.words: no word for wish; no such label: wisch/,
    );
    const nli = {
      hypothesis: '{label}',
      words: { bug: '错', wish: '愿' },
      classes: { bug: 'entailment', wish: 'neutral' },
    };
    await (await refused({ prompts: { nli } })).toThrow(/nli: expected words or classes, one of them/);
    const classes = { bug: 'entailment' };
    await (await refused({ prompts: { nli: { hypothesis: '{text}', classes } } })).toThrow(
      /prompts\.nli\.classes: no word for wish/,
    );
    expect([isTaskFile('./a.json'), isTaskFile('afqmc')]).toEqual([true, false]);
  });
});
