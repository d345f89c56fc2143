import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { freeDiskBytes, requireDiskSpace, writeError } from '../../src/util/disk.ts';

describe('disk space', () => {
  it('is asked of the nearest folder that exists', async () => {
    expect(await freeDiskBytes(path.join(os.tmpdir(), 'not', 'yet', 'there'))).toBeGreaterThan(0);
  });

  it('that is missing is an error before the work', async () => {
    await requireDiskSpace(os.tmpdir(), 1, 'a byte');
    await expect(requireDiskSpace(os.tmpdir(), 2 ** 60, 'the model')).rejects.toMatchObject({
      code: 'disk-full',
      exitCode: 7,
      message: expect.stringMatching(/^the model needs .* are free$/),
    });
  });

  it('that runs out is the same error', () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    expect(writeError(full, '/x')).toMatchObject({ code: 'disk-full', exitCode: 7, cause: full });
    const other = new Error('other');
    expect(writeError(other, '/x')).toBe(other);
  });
});

describe('a write that is not allowed', () => {
  const cases: [what: string, code: string, place: string | undefined, isTold: boolean][] = [
    ['on a read-only disk', 'EROFS', undefined, true],
    ['at the target', 'EACCES', '/home/m', true],
    ['below it', 'EACCES', '/home/m/files/x', true],
    ['above it', 'EPERM', '/', true],
    ['beside it', 'EACCES', '/home/m.partial/lease', true],
    ['anywhere else: a file that was to be read', 'EACCES', '/data/m.zip', false],
    ['in a folder with a like name', 'EACCES', '/homes/m.zip', false],
  ];
  it.each(cases)('%s (%s)', (_what, code, place, isTold) => {
    const error = Object.assign(new Error(code), { code, ...(place !== undefined && { path: place }) });
    const told = writeError(error, '/home/m');
    if (isTold) expect(told).toMatchObject({ code: 'not-writable', exitCode: 2, cause: error });
    else expect(told).toBe(error);
  });
});
