import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSplitFile } from '../../src/evaluation/split-file.ts';
import { FIXTURES, temporaryFolder } from './fixtures.ts';

const text = async (source: string, file: string) => Buffer.from((await readSplitFile(source, file)).bytes).toString();

async function folderWith(files: readonly string[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const file of files) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), file);
  }
  return folder;
}

describe('a split in an archive', () => {
  const zip = path.join(FIXTURES, 'cmnli_public.zip');

  it('is found by its base name below an inner folder, beside the litter of macOS', async () => {
    const { name, bytes } = await readSplitFile(zip, 'dev.json');
    expect(name).toBe(`${zip}/cmnli_public/dev.json`);
    expect(Buffer.from(bytes)).toEqual(await readFile(path.join(FIXTURES, 'cmnli', 'dev.json')));
  });

  it('is missed with the list of what there is', async () => {
    await expect(readSplitFile(zip, 'test.json')).rejects.toMatchObject({
      code: 'split-not-found',
      exitCode: 3,
      message: `${zip} holds no test.json; it holds cmnli_public/dev.json`,
    });
  });

  it('is refused when the archive is cut off', async () => {
    const cut = path.join(await temporaryFolder(), 'cut.zip');
    await writeFile(cut, (await readFile(zip)).subarray(0, 400));
    await expect(readSplitFile(cut, 'dev.json')).rejects.toMatchObject({ exitCode: 6 });
  });

  it('is refused when a .zip is something else', async () => {
    const html = path.join(await temporaryFolder(), 'page.zip');
    await writeFile(html, '<html>404</html>');
    await expect(readSplitFile(html, 'dev.json')).rejects.toMatchObject({ exitCode: 6 });
  });
});

describe('a split in a folder', () => {
  it('is found at the root before it is found below', async () => {
    const folder = await folderWith(['dev.json', 'old/dev.json', '__MACOSX/dev.json', 'a/b/._dev.json']);
    expect(await text(folder, 'dev.json')).toBe('dev.json');
  });

  it('is found below when it is not at the root', async () => {
    expect(await text(await folderWith(['data/ocnli/dev.json']), 'dev.json')).toBe('data/ocnli/dev.json');
  });

  it('must be one file', async () => {
    const folder = await folderWith(['afqmc/dev.json', 'tnews/dev.json']);
    await expect(readSplitFile(folder, 'dev.json')).rejects.toMatchObject({
      code: 'split-ambiguous',
      exitCode: 2,
      message: expect.stringContaining('afqmc/dev.json, tnews/dev.json'),
    });
  });

  it('is missed when the folder holds no JSON', async () => {
    await expect(readSplitFile(await folderWith(['README']), 'dev.json')).rejects.toThrow(/it holds no JSON file$/);
  });
});

describe('a split as a file', () => {
  it('is read whatever its name', async () => {
    const folder = await folderWith(['my-rows.jsonl']);
    expect(await text(path.join(folder, 'my-rows.jsonl'), 'dev.json')).toBe('my-rows.jsonl');
  });

  it('must exist', async () => {
    await expect(readSplitFile('/no/such/place', 'dev.json')).rejects.toMatchObject({ code: 'dataset-not-found' });
  });
});
