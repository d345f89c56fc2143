/** CMRC2018, C3 and ChID, on made-up rows in their formats. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSplit } from '../../../src/evaluation/dataset.ts';
import { READING_TASKS } from '../../../src/evaluation/tasks/index.ts';
import { loadRegistry } from '../../../src/registry/registry.ts';
import { FIXTURES, temporaryFolder } from '../fixtures.ts';

const load = (name: keyof typeof READING_TASKS, split = 'dev', source = path.join(FIXTURES, name)) =>
  loadSplit({ task: READING_TASKS[name], source, split });

describe('CMRC2018', () => {
  it('has a question a row, with every right answer', async () => {
    const { examples, labelled } = await load('cmrc2018');
    expect(labelled).toBe(true);
    expect(examples.map(({ id }) => id)).toEqual(['DEV_0_QUERY_0', 'DEV_0_QUERY_1', 'DEV_1_QUERY_0']);
    expect(examples[0]).toMatchObject({
      text: expect.stringMatching(/^小林住在/),
      pair: '小林在哪里工作？',
      label: '镇上的邮局',
      answers: ['镇上的邮局', '邮局', '镇上的邮局'],
    });
  });

  it('has a test split without answers', async () => {
    expect(await load('cmrc2018', 'test')).toMatchObject({ labelled: false, examples: [{ id: 'TEST_0_QUERY_0' }] });
  });

  it('names the place of a broken row', async () => {
    const folder = await temporaryFolder();
    const file = path.join(folder, 'dev.json');
    await writeFile(file, JSON.stringify({ data: [{ paragraphs: [{ context: 'x', qas: [{ id: 'a' }] }] }] }));
    await expect(load('cmrc2018', 'dev', file)).rejects.toMatchObject({
      exitCode: 6,
      message: expect.stringMatching(/dev\.json, data\[0\]\.paragraphs\[0\]\.qas\[0\]: question/),
    });
    await writeFile(file, '{"data":');
    await expect(load('cmrc2018', 'dev', file)).rejects.toThrow(/expected one JSON document/);
  });
});

describe('C3', () => {
  it('joins dialogues and texts, and labels are places among two to four choices', async () => {
    const { examples, file } = await load('c3');
    expect(file).toMatch(/d-dev\.json, .*m-dev\.json$/);
    expect(examples.map(({ label }) => label)).toEqual(['1', '0', '1']);
    expect(examples[0]).toMatchObject({
      text: '女：今天下雨了，还去爬山吗？\n男：不去了，去看电影吧。',
      pair: '他们今天要做什么？',
      candidates: ['爬山', '看电影', '在家睡觉', '买雨伞'],
    });
    expect(examples[1]!.candidates).toHaveLength(2);
    expect(await load('c3', 'test')).toMatchObject({ labelled: false, examples: [{ id: 7 }] });
  });

  it('refuses an answer that is no choice', async () => {
    const folder = await temporaryFolder();
    const file = path.join(folder, 'x.json');
    await writeFile(file, JSON.stringify([[['a'], [{ question: 'q', choice: ['a', 'b'], answer: 'c' }], '1']]));
    await expect(load('c3', 'dev', file)).rejects.toThrow(/\[0\]\[1\]\[0\]: expected an answer among the choices/);
  });
});

describe('ChID', () => {
  it('has a gap a row, its answer from the other file, the line as group', async () => {
    const { examples, dropped } = await load('chid');
    expect(dropped).toBe(0);
    expect(examples.map(({ id, label, group }) => [id, label, group])).toEqual([
      ['#idiom000001#', '7', 1],
      ['#idiom000002#', '1', 1],
      ['#idiom000003#', '3', 1],
      ['#idiom000004#', '2', 2],
    ]);
    expect(examples[1]).toMatchObject({
      text: '他做事从不#idiom#，凡事____。',
      fields: { before: '他做事从不', after: `，凡事${'[MASK]'.repeat(4)}。`, passageAfter: '，凡事#idiom000003#。' },
    });
    expect(await load('chid', 'test')).toMatchObject({ labelled: false, examples: [{ id: '#idiom000009#' }] });
  });

  it('takes the file of answers from beside a plain file, and its bytes into the hash', async () => {
    const whole = await load('chid');
    const plain = await load('chid', 'dev', path.join(FIXTURES, 'chid', 'dev.json'));
    expect(plain.md5).toBe(whole.md5);
    const folder = await temporaryFolder();
    await mkdir(path.join(folder, 'chid'));
    await writeFile(path.join(folder, 'dev.json'), await readFile(path.join(FIXTURES, 'chid', 'dev.json')));
    await expect(load('chid', 'dev', path.join(folder, 'dev.json'))).rejects.toMatchObject({ exitCode: 3 });
    await writeFile(path.join(folder, 'dev_answer.json'), '{"#idiom000001#":0}');
    await expect(load('chid', 'dev', folder)).rejects.toThrow(/line 1: .*has no answer for #idiom000002#/);
  });

  it('shows 120 characters around a gap, as many on either side as there are', async () => {
    const folder = await temporaryFolder();
    const candidates = Array.from({ length: 10 }, (_, i) => `成语之${i}`);
    const content = [`${'前'.repeat(200)}#idiom1#${'后'.repeat(10)}`, `${'前'.repeat(90)}#idiom2#${'后'.repeat(90)}`];
    await writeFile(path.join(folder, 'x.json'), JSON.stringify({ candidates, content }));
    const { examples } = await load('chid', 'x.json', folder);
    const sides = examples.map(({ fields }) => [fields!.before!.length, fields!.after!.length]);
    expect(sides).toEqual([
      [110, 10],
      [60, 60],
    ]);
  });
});

describe('the reading tasks', () => {
  it('have a data set of the registry that names the files of their splits', async () => {
    const registry = await loadRegistry({ overlayFile: null });
    for (const task of Object.values(READING_TASKS)) {
      const files = registry.datasets[task.dataset]?.files.map((file) => file.path);
      const wanted = [...Object.values(task.splits), ...Object.values('answerFiles' in task ? task.answerFiles! : {})];
      expect(files, task.name).toEqual(expect.arrayContaining(wanted.flat()));
      expect(registry.defaults.evalModel[task.name], task.name).toBeDefined();
    }
  });
});
