import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { neededLibraries } from '../../../src/engine/capi/elf.ts';
import { libraryPath } from '../../../src/engine/capi/library.ts';
import { writeFiles } from '../graphs.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const files = writeFiles({
  words: text('these bytes are sixty-four and more, but they are no library of any kind'),
  short: text('\x7fELF'),
});

describe('neededLibraries', () => {
  it.skipIf(process.platform !== 'linux')('lists what ONNX Runtime itself asks for', () => {
    expect(neededLibraries(libraryPath())).toContain('libc.so.6');
  });

  it('refuses other files', () => {
    expect(() => neededLibraries(files.words)).toThrow('another magic number');
    expect(() => neededLibraries(files.short)).toThrow('expected a 64-bit Linux library');
  });

  it.skipIf(process.platform !== 'linux')('refuses a library that was cut', () => {
    const cut = readFileSync(libraryPath()).subarray(0, 4096);
    const { file } = writeFiles({ file: cut });
    expect(() => neededLibraries(file)).toThrow('expected a 64-bit Linux library');
  });
});
