import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { importArchive } from '../../src/hub/import.ts';
import { readRecord } from '../../src/hub/record.ts';
import { verifyCheckpoint } from '../../src/hub/verify.ts';
import { type EntryToWrite, SYMLINK, writeZip } from '../util/zip-writer.ts';
import { errorOf, tree, useScratch } from './scratch.ts';

const scratch = useScratch();
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const RECORD = '.fsb-checkpoint.json';
/** 周文王 in GBK. */
const ZHOUWENWANG_GBK = Buffer.from('d6dccec4cdf5', 'hex');
const config = { name: 'config.json', data: '{"model_type":"bert"}' };
const weights = { name: 'pytorch_model.bin', data: 'weights', method: 0 };
const gbk = (rest: string): Buffer => Buffer.concat([ZHOUWENWANG_GBK, Buffer.from(rest)]);

async function writeArchive(entries: readonly EntryToWrite[]): Promise<string> {
  await writeFile(scratch('in.zip'), writeZip(entries));
  return scratch('in.zip');
}

describe('importArchive of zips', () => {
  it.each([
    ['no folder', [config, weights]],
    ['one folder', [{ name: 'm/' }, { ...config, name: 'm/config.json' }, { ...weights, name: 'm/pytorch_model.bin' }]],
    [
      'a folder named in GBK and one in it',
      [
        { ...config, name: gbk('/roformer_v1/config.json') },
        { ...weights, name: gbk('/roformer_v1/pytorch_model.bin') },
      ],
    ],
    [
      'a folder named in UTF-8',
      [
        { ...config, name: '周文王-1.3B/config.json' },
        { ...weights, name: '周文王-1.3B/pytorch_model.bin' },
      ],
    ],
  ])('with %s on top', async (_layout, entries) => {
    const progress: number[] = [];
    const result = await importArchive(await writeArchive(entries), scratch('out'), {
      onProgress: (bytes, total) => {
        expect(total).toBe(28);
        progress.push(bytes);
      },
    });
    expect(result.path).toBe(scratch('out'));
    expect(result.files).toEqual([
      { path: 'config.json', sizeBytes: 21, sha256: sha256(config.data) },
      { path: 'pytorch_model.bin', sizeBytes: 7, sha256: sha256('weights') },
    ]);
    expect(await tree(scratch())).toEqual([
      'in.zip',
      'out',
      `out/${RECORD}`,
      'out/config.json',
      'out/pytorch_model.bin',
    ]);
    expect(progress.at(-1)).toBe(28);
    expect(await verifyCheckpoint(scratch('out'))).toMatchObject({
      ok: true,
      name: 'out',
      source: `local:${scratch('in.zip')}`,
    });
  });

  it('reports what lies beside the checkpoint', async () => {
    const entries = [
      { name: '说明.txt', data: 'x' },
      { ...config, name: 'm/config.json' },
      { ...weights, name: 'm/pytorch_model.bin' },
    ];
    const { files, leftOut } = await importArchive(await writeArchive(entries), scratch('out'));
    expect(files).toHaveLength(2);
    expect(leftOut).toEqual(['说明.txt']);
  });

  it.each([
    ['a path that leaves the folder', [config, { name: '../evil', data: 'x' }], 'unsafe-archive', 6],
    ['a symbolic link', [config, { name: 'l', data: '/etc', externalAttributes: SYMLINK }], 'unsafe-archive', 6],
    ['a wrong CRC-32', [config, { ...weights, crc32: 1 }], 'crc-mismatch', 6],
    ['a size that lies', [config, { name: 'pytorch_model.bin', data: 'weights', sizeBytes: 3 }], 'unsafe-archive', 6],
    ['an encrypted entry', [config, { ...weights, flags: 1 }], 'encrypted-archive', 6],
    ['Deflate64', [config, { ...weights, method: 9 }], 'unsupported-compression', 8],
    ['no checkpoint', [{ name: 'cat.jpg', data: 'x' }], 'no-checkpoint', 6],
    ['no entries', [], 'no-checkpoint', 6],
    [
      'two checkpoints',
      [
        { ...config, name: 'a/config.json' },
        { ...config, name: 'b/config.json' },
      ],
      'several-checkpoints',
      6,
    ],
    [
      'more than the disk holds',
      [config, { ...weights, method: 8, compressedBytes: 0xffffffff, sizeBytes: 2 ** 36, zip64: true }],
      'corrupt-archive',
      6,
    ],
  ])('with %s: an error, and nothing on the disk', async (_fault, entries: EntryToWrite[], code, exitCode) => {
    const error = await errorOf(importArchive(await writeArchive(entries), scratch('out')));
    expect(error).toMatchObject({ code, exitCode });
    expect(await tree(scratch())).toEqual(['in.zip']);
  });
});

describe('importArchive of folders', () => {
  it('copies the checkpoint and leaves the original alone', async () => {
    await mkdir(scratch('in/.git'), { recursive: true });
    for (const { name, data } of [config, weights]) await writeFile(scratch('in', name), data);
    await writeFile(scratch('in/.git/x'), 'x');
    await importArchive(scratch('in'), scratch('out'), { name: 'zhouwenwang-110m' });
    expect(await tree(scratch('out'))).toEqual([RECORD, 'config.json', 'pytorch_model.bin']);
    expect(await readFile(scratch('out/pytorch_model.bin'), 'utf8')).toBe('weights');
    expect((await readRecord(scratch('out')))?.name).toBe('zhouwenwang-110m');
    expect(await tree(scratch('in'))).toHaveLength(4);
  });

  it('asks for the disk space first', async () => {
    await mkdir(scratch('in'));
    await writeFile(scratch('in/config.json'), '{}');
    await writeFile(scratch('in/pytorch_model.bin'), '');
    await truncate(scratch('in/pytorch_model.bin'), 2 ** 43); // 8.8 TB of nothing
    const error = await errorOf(importArchive(scratch('in'), scratch('out')));
    expect(error).toMatchObject({ code: 'disk-full', exitCode: 7 });
    expect(error.message).toMatch(/needs 8\.80 TB/);
    expect(await readdir(scratch())).toEqual(['in']);
  });

  it('replaces a checkpoint of its own, and nothing else', async () => {
    await mkdir(scratch('mine'));
    await writeFile(scratch('mine/thesis.txt'), 'years of work');
    const zip = await writeArchive([config, weights]);
    expect(await errorOf(importArchive(zip, scratch('mine')))).toMatchObject({ code: 'target-exists', exitCode: 2 });
    await writeFile(scratch('file'), 'x');
    expect(await errorOf(importArchive(zip, scratch('file')))).toMatchObject({ code: 'target-exists', exitCode: 2 });
    expect(await errorOf(importArchive(scratch('mine'), scratch('mine')))).toMatchObject({
      code: 'target-is-source',
      exitCode: 2,
    });
    await importArchive(zip, scratch('out'));
    await importArchive(await writeArchive([config, { ...weights, data: 'better' }]), scratch('out'));
    expect(await readFile(scratch('out/pytorch_model.bin'), 'utf8')).toBe('better');
    expect(await tree(scratch('mine'))).toEqual(['thesis.txt']);
  });

  it('keeps the former checkpoint when it is aborted', async () => {
    const zip = await writeArchive([config, weights]);
    await importArchive(zip, scratch('out'));
    const controller = new AbortController();
    const reason = new Error('stop');
    const work = importArchive(await writeArchive([config, { ...weights, data: 'better' }]), scratch('out'), {
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(work).rejects.toBe(reason);
    expect(await readFile(scratch('out/pytorch_model.bin'), 'utf8')).toBe('weights');
    expect(await readdir(scratch())).toEqual(['in.zip', 'out']);
  });
});

/** Zips that Python's zipfile wrote. */
const MINIS = path.resolve('models');
const names = existsSync(MINIS) ? (await readdir(MINIS)).filter((name) => name.endsWith('.zip')) : [];
if (names.length === 0) console.warn('import.test.ts: no minis in models/, their zips are not imported');

describe.runIf(names.length > 0)('the minis that fsb brings along', () => {
  it.each(names)('%s', async (name) => {
    const { files } = await importArchive(path.join(MINIS, name), scratch('out'));
    expect(files.map((file) => file.path)).toContain('pytorch_model.bin');
    expect(await verifyCheckpoint(scratch('out'))).toMatchObject({ ok: true, extra: [] });
  });
});
