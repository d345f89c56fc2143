import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkpointFolder,
  checkpointsFolder,
  datasetFolder,
  folderName,
  modelFolder,
  resultsFolder,
  temporaryFolder,
} from '../../src/registry/home.ts';

const home = path.resolve('/home-of-fsb');

describe('the folders below FSB_HOME', () => {
  it('are as documented', () => {
    const below = (folder: string): string => path.relative(home, folder).split(path.sep).join('/');
    expect(below(checkpointFolder('erlangshen-1.3b', undefined, home))).toBe('checkpoints/erlangshen-1.3b/local');
    expect(below(checkpointFolder('a/b', 'refs/pr/2', home))).toBe('checkpoints/a--b/refs--pr--2');
    expect(below(checkpointsFolder('a/b', home))).toBe('checkpoints/a--b');
    expect(below(modelFolder('二郎神-1.3B', 'fp16', home))).toBe('models/二郎神-1.3B/fp16');
    expect(below(datasetFolder('afqmc', home))).toBe('datasets/afqmc');
    expect(below(resultsFolder(home))).toBe('results');
    expect(below(temporaryFolder(home))).toBe('tmp');
  });
});

describe('folderName', () => {
  it.each([
    ['IDEA-CCNL/Erlangshen-MegatronBert-1.3B', 'IDEA-CCNL--Erlangshen-MegatronBert-1.3B'],
    ['../../etc', '%2E.--..--etc'],
    ['..', '%2E%2E'],
    ['/etc/passwd', '--etc--passwd'],
    ['C:\\Windows', 'C%3A%5CWindows'],
    ['a\0b', 'a%00b'],
    ['.ssh', '%2Essh'],
    ['name.', 'name%2E'],
    ['con', '%63on'],
    ['LPT1.bin', '%4CPT1.bin'],
    ['100%', '100%25'],
  ])('%j becomes %j', (name, folder) => {
    expect(folderName(name)).toBe(folder);
  });

  it.each(['', '   ', 'x'.repeat(201), '神'.repeat(67)])('refuses %j', (name) => {
    expect(() => folderName(name)).toThrowError(expect.objectContaining({ code: 'unsafe-name', exitCode: 2 }));
  });

  it('never leaves its place, whatever the name', () => {
    const names = fc.oneof(
      fc.string({ minLength: 1, maxLength: 40, unit: 'binary' }),
      fc
        .array(fc.constantFrom('.', '..', '/', '\\', '~', 'a', ' ', ':'), { minLength: 1, maxLength: 12 })
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(names, (name) => {
        fc.pre(name.trim() !== '');
        for (const rules of [path.posix, path.win32]) {
          const relative = rules.relative(rules.resolve('/h/models'), rules.resolve('/h/models', folderName(name)));
          expect(relative).not.toBe('');
          expect(relative.startsWith('.')).toBe(false);
          expect(relative).not.toMatch(/[/\\]/);
        }
      }),
    );
  });
});
