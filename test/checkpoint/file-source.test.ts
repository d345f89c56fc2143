import { mkdir, truncate } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileSource, readBytes, regionOf } from '../../src/checkpoint/file-source.ts';
import { temporaryFile, temporaryFolder, thrownBy } from './building.ts';

describe('FileSource', () => {
  it('reads by offset, and regions by their own offset', async () => {
    const source = await FileSource.open(await temporaryFile('0123456789'));
    expect(source.sizeBytes).toBe(10);
    expect(Buffer.from(await readBytes(source, 3, 4)).toString()).toBe('3456');
    const region = regionOf(source, 'x, entry y', 2, 5);
    expect(Buffer.from(await readBytes(region, 1, 4)).toString()).toBe('3456');
    expect(await thrownBy(() => readBytes(region, 2, 4))).toMatchObject({
      code: 'corrupt-archive',
      message: expect.stringMatching(/^x, entry y: expected bytes 2 to 6, but there are only 5/),
    });
    await source.close();
  });

  it('says when the file has become shorter', async () => {
    const file = await temporaryFile('0123456789');
    const source = await FileSource.open(file);
    await truncate(file, 6);
    expect(await thrownBy(() => readBytes(source, 4, 6))).toMatchObject({
      code: 'corrupt-archive',
      message: expect.stringMatching(/ended at byte 6 while 4 more were read/),
    });
    await source.close();
  });

  it('refuses a missing file and a folder', async () => {
    const folder = await temporaryFolder();
    expect(await thrownBy(() => FileSource.open(path.join(folder, 'x')))).toMatchObject({ code: 'file-not-found' });
    await mkdir(path.join(folder, 'pytorch_model.bin'));
    expect(await thrownBy(() => FileSource.open(path.join(folder, 'pytorch_model.bin')))).toMatchObject({
      message: expect.stringMatching(/regular file/),
    });
  });
});
