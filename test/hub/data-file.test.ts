import { link, readFile, writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { DataFile } from '../../src/hub/data-file.ts';
import { useScratch } from './scratch.ts';

const scratch = useScratch();

describe('DataFile', () => {
  it('writes at any place, reads back, and is as long as it is sealed', async () => {
    const file = await DataFile.open(scratch('f'), false);
    await file.write(Buffer.from('world'), 6);
    await file.write(Buffer.from('hello '), 0);
    const bytes = Buffer.alloc(5);
    expect(await file.read(bytes, 3)).toBe(true);
    expect(bytes.toString()).toBe('lo wo');
    expect(await file.read(bytes, 8)).toBe(false);
    expect(await file.crc32(6, 11)).toBe(crc32('world'));
    await file.seal(8);
    await file.close();
    expect(await readFile(scratch('f'), 'utf8')).toBe('hello wo');
  });

  it('keeps what a former run left only when told to', async () => {
    await writeFile(scratch('f'), 'former');
    await (await DataFile.open(scratch('f'), true)).close();
    expect(await readFile(scratch('f'), 'utf8')).toBe('former');
    await (await DataFile.open(scratch('f'), false)).close();
    expect(await readFile(scratch('f'), 'utf8')).toBe('');
    await (await DataFile.open(scratch('gone'), true)).close();
    expect(await readFile(scratch('gone'), 'utf8')).toBe('');
  });

  it.each([true, false])('leaves the bytes alone that another name has too (resumed: %s)', async (isResumed) => {
    await writeFile(scratch('theirs'), 'theirs');
    await link(scratch('theirs'), scratch('f'));
    const file = await DataFile.open(scratch('f'), isResumed);
    await file.write(Buffer.from('ours'), 0);
    await file.seal(4);
    await file.close();
    expect(await readFile(scratch('theirs'), 'utf8')).toBe('theirs');
    expect(await readFile(scratch('f'), 'utf8')).toBe('ours');
  });
});
