import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { FsbError } from '../../src/util/errors.ts';
import { streamZip } from '../../src/util/zip-stream.ts';
import { type EntryToWrite, SYMLINK, writeZip } from './zip-writer.ts';

const RANDOM = randomBytes(300_000);
const TEXT = Buffer.from(RANDOM.toString('base64'));

/** The entries as they pass, in chunks of so many bytes. */
async function stream(zip: Buffer, chunkBytes = 1000): Promise<Map<string, Buffer>> {
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < zip.length; at += chunkBytes) yield zip.subarray(at, at + chunkBytes);
  }
  const passed = new Map<string, Buffer>();
  const { entries } = await streamZip(chunks(), 'z', async ({ name, bytes }) => {
    const parts: Buffer[] = [];
    for await (const part of bytes) parts.push(part);
    passed.set(name, Buffer.concat(parts));
  });
  expect(entries.map((entry) => entry.path).sort()).toEqual([...passed.keys()].sort());
  return passed;
}

const outcome = (zip: Buffer): Promise<unknown> =>
  stream(zip).catch((error: unknown) => {
    if (error instanceof FsbError) return error;
    throw error;
  });

describe('streamZip', () => {
  it.each([1, 7, 1000, 65_536, 1 << 20])('gives what passes, in chunks of %i bytes', async (chunkBytes) => {
    const small = chunkBytes === 1 ? 2000 : 300_000;
    const zip = writeZip([
      { name: 'd/', method: 0 },
      { name: 'd/stored', data: RANDOM.subarray(0, small), method: 0 },
      { name: 'd/deflated', data: TEXT.subarray(0, small) },
      { name: 'd/empty', data: '' },
      { name: '__MACOSX/._x', data: 'x' },
    ]);
    const passed = await stream(zip, chunkBytes);
    expect([...passed.keys()]).toEqual(['d/stored', 'd/deflated', 'd/empty']);
    expect(passed.get('d/stored')?.equals(RANDOM.subarray(0, small))).toBe(true);
    expect(passed.get('d/deflated')?.equals(TEXT.subarray(0, small))).toBe(true);
  });

  it.each(['signed', 'bare', 'wide'] as const)(
    'finds the end of entries of unknown size (%s descriptor)',
    async (descriptor) => {
      const zip = writeZip([
        { name: 'a', data: TEXT, descriptor },
        { name: 'empty', data: '', descriptor },
        { name: 'b', data: RANDOM, descriptor },
      ]);
      const passed = await stream(zip, 100_000);
      expect(passed.get('a')?.equals(TEXT)).toBe(true);
      expect(passed.get('b')?.equals(RANDOM)).toBe(true);
    },
  );

  it('reads names in GBK, and the end records of zip64', async () => {
    const gbk = Buffer.from('c8fdb9fa2e747874', 'hex');
    const zip = writeZip([{ name: gbk, data: 'x', zip64: true }], { zip64: true, comment: '注' });
    expect([...(await stream(zip)).keys()]).toEqual(['三国.txt']);
  });

  const good: EntryToWrite = { name: 'a', data: TEXT };
  const flip = (zip: Buffer, at: number): Buffer => {
    const copy = Buffer.from(zip);
    copy[at]! ^= 1;
    return copy;
  };
  const stored = writeZip([{ name: 'a', data: RANDOM, method: 0 }]);
  it.each<[string, Buffer, string, number]>([
    [
      'an entry that the directory does not list',
      writeZip([good, { name: 'x', data: 'x', isUnlisted: true }]),
      'unsafe-archive',
      6,
    ],
    [
      'a directory that tells other sizes',
      writeZip([{ ...good, descriptor: 'signed', sizeBytes: 5 }]),
      'corrupt-archive',
      6,
    ],
    ['a name that leaves the folder', writeZip([good, { name: '../x', data: 'x' }]), 'unsafe-archive', 6],
    ['a name twice', writeZip([good, good]), 'unsafe-archive', 6],
    ['a symbolic link', writeZip([{ name: 'l', data: '/etc', externalAttributes: SYMLINK }]), 'unsafe-archive', 6],
    ['a bomb', writeZip([{ name: 'b', data: Buffer.alloc(8 << 20) }]), 'unsafe-archive', 6],
    [
      'a bomb of unknown size',
      writeZip([{ name: 'b', data: Buffer.alloc(8 << 20), descriptor: 'bare' }]),
      'unsafe-archive',
      6,
    ],
    ['a flipped bit in stored data', flip(stored, stored.indexOf(RANDOM) + 9), 'crc-mismatch', 6],
    ['a password', writeZip([{ ...good, flags: 1 }]), 'encrypted-archive', 6],
    ['its end cut off', writeZip([good]).subarray(0, -30), 'corrupt-archive', 6],
    ['an entry cut off', writeZip([good]).subarray(0, 5000), 'corrupt-archive', 6],
    ['no zip in it', Buffer.from('<html>'.repeat(100)), 'corrupt-archive', 6],
    [
      'stored data of unknown size',
      writeZip([{ ...good, method: 0, descriptor: 'signed' }]),
      'unstreamable-archive',
      8,
    ],
    ['bzip2 in it', writeZip([{ ...good, method: 12 }]), 'unsupported-compression', 8],
  ])('refuses a zip with %s', async (_what, zip, code, exitCode) => {
    expect(await outcome(zip)).toMatchObject({ code, exitCode });
  });
});
