import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSplit } from '../../src/evaluation/dataset.ts';
import { CLUE_TASKS } from '../../src/evaluation/tasks/index.ts';
import { FIXTURES, temporaryFolder } from './fixtures.ts';

const { afqmc, cmnli, ocnli, tnews } = CLUE_TASKS;
const folder = (name: string) => path.join(FIXTURES, name);

async function fileOf(...rows: string[]): Promise<string> {
  const file = path.join(await temporaryFolder(), 'dev.json');
  await writeFile(file, rows.join('\n'));
  return file;
}

describe('loadSplit', () => {
  it('counts rows, dropped rows and the bytes they came from', async () => {
    expect(await loadSplit({ task: ocnli, source: folder('ocnli') })).toMatchObject({
      split: 'dev',
      file: path.join(folder('ocnli'), 'dev.json'),
      md5: expect.stringMatching(/^[0-9a-f]{32}$/),
      official: undefined,
      dropped: 1,
      available: 3,
      labelled: true,
    });
  });

  it('reads an archive as it reads the folder', async () => {
    const [fromZip, fromFolder] = await Promise.all([
      loadSplit({ task: cmnli, source: path.join(FIXTURES, 'cmnli_public.zip') }),
      loadSplit({ task: cmnli, source: folder('cmnli') }),
    ]);
    expect(fromZip.examples).toEqual(fromFolder.examples);
    expect(fromZip).toMatchObject({ md5: fromFolder.md5, dropped: 1, available: 2 });
  });

  it('draws a seeded subset across the file under a limit, in file order, and says how many there were', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => `{"sentence1":"${i}","sentence2":"b","label":"1"}`);
    const source = await fileOf(...rows);
    const draw = async (limit: number, seed?: number) =>
      (await loadSplit({ task: afqmc, source, limit, seed })).examples.map(({ id }) => Number(id));
    const eight = await draw(8);
    expect(eight).toEqual(await draw(8, 0));
    expect(eight).toEqual([...eight].sort((a, b) => a - b));
    expect(eight).not.toEqual([0, 1, 2, 3, 4, 5, 6, 7]); // it was the first rows once
    expect(await draw(16)).toEqual(expect.arrayContaining(eight)); // a smaller subset lies in a larger one
    expect(await draw(8, 1)).not.toEqual(eight);
    expect(await loadSplit({ task: afqmc, source, limit: 8 })).toMatchObject({ available: 40, sampleSeed: 0 });
    expect((await loadSplit({ task: afqmc, source, limit: 40 })).sampleSeed).toBeUndefined();
    await expect(loadSplit({ task: tnews, source: folder('tnews'), limit: 0 })).rejects.toMatchObject({ exitCode: 2 });
  });

  it('loads an unlabelled test file, which can be predicted and not scored', async () => {
    const data = await loadSplit({ task: afqmc, source: folder('afqmc'), split: 'test' });
    expect(data.labelled).toBe(false);
    expect(data.examples[1]).toEqual({ id: 1, text: '还款日是几号', pair: '能改还款日吗', label: undefined });
  });

  it('takes the name of another file of the source as a split', async () => {
    const data = await loadSplit({ task: afqmc, source: folder('afqmc'), split: 'test.json' });
    expect(data.examples).toHaveLength(2);
  });

  it('tells official bytes, known variants and others apart', async () => {
    const load = (md5: string | null, variants: { md5: string; rows: number; note: string }[] = []) =>
      loadSplit({ task: tnews, source: folder('tnews'), knownFiles: [{ path: 'dev.json', md5, variants }] });
    const { md5 } = await load(null);
    expect(await load(md5)).toMatchObject({ official: true, variant: undefined });
    expect(await load('0'.repeat(32))).toMatchObject({ official: false, variant: undefined });
    const variants = [{ md5, rows: 3, note: 'a rebuilt copy' }];
    expect(await load(null, variants)).toMatchObject({ official: false, variant: 'a rebuilt copy' });
  });

  it('accepts repeated ids and keeps every row', async () => {
    const row = '{"id":5,"sentence1":"a","sentence2":"b","label":"0"}';
    expect((await loadSplit({ task: afqmc, source: await fileOf(row, row) })).examples).toHaveLength(2);
  });
});

describe('loadSplit refuses', () => {
  const good = '{"sentence1":"a","sentence2":"b","label":"1"}';
  const load = async (...rows: string[]) => loadSplit({ task: afqmc, source: await fileOf(...rows) });

  it('a broken row, naming file, line and field', async () => {
    await expect(load(good, '{"sentence1":"a","label":"1"}')).rejects.toMatchObject({
      exitCode: 6,
      message: expect.stringMatching(/dev\.json, line 2: sentence2: .*expected string, received undefined/),
    });
    await expect(load(good, good.slice(0, 20))).rejects.toMatchObject({ code: 'malformed-row', facts: { line: 2 } });
  });

  it('a label that the task does not have', async () => {
    await expect(load(good, good.replace('"1"', '"2"'))).rejects.toMatchObject({
      code: 'unknown-label',
      message: expect.stringMatching(/line 2: expected a label of afqmc \(0, 1\), found "2"$/),
    });
  });

  it('a file of labelled and unlabelled rows', async () => {
    await expect(load(good, '{"sentence1":"a","sentence2":"b"}')).rejects.toThrow(
      /line 2: expected a label as in the rows before, found none/,
    );
    await expect(load('{"sentence1":"a","sentence2":"b"}', good)).rejects.toThrow(/expected no label .*, found "1"/);
  });

  it('a file without rows', async () => {
    await expect(load('')).rejects.toMatchObject({ code: 'empty-split', exitCode: 6 });
  });

  it('a file of nothing but dropped rows', async () => {
    const source = await fileOf(good.replace('"1"', '"-"'));
    await expect(loadSplit({ task: cmnli, source })).rejects.toThrow(/found none to score$/);
  });

  it('a split that the task does not have', async () => {
    const unknown = { task: tnews, source: folder('tnews'), split: 'validation' };
    await expect(loadSplit(unknown)).rejects.toMatchObject({
      code: 'split-not-found',
      exitCode: 3,
      hint: 'its splits are train, dev, test, test1.0',
    });
    await expect(loadSplit({ ...unknown, split: '../dev.json' })).rejects.toMatchObject({ code: 'split-not-found' });
    await expect(loadSplit({ ...unknown, split: 'constructor' })).rejects.toMatchObject({ code: 'split-not-found' });
  });
});
