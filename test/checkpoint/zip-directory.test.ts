import { describe, expect, it } from 'vitest';
import { readZipDirectory } from '../../src/checkpoint/zip-directory.ts';
import { fixtureBytes, hostileFiles, memorySource, numbers, thrownBy, type ZipRecord, zip } from './building.ts';

const TWO: ZipRecord[] = [
  { name: 'archive/data.pkl', data: 'pickle' },
  { name: 'archive/data/0', data: 'numbers' },
];

async function contentOf(bytes: Uint8Array, name: string): Promise<string> {
  const entry = (await readZipDirectory(memorySource(bytes))).get(name)!;
  return Buffer.from(bytes.subarray(entry.dataStart, entry.dataStart + entry.sizeBytes)).toString();
}

describe('readZipDirectory', () => {
  it.each([false, true])('finds stored entries (zip64 fields: %s)', async (zip64) => {
    const bytes = zip(TWO, { zip64 });
    expect([...(await readZipDirectory(memorySource(bytes))).keys()]).toEqual(['archive/data.pkl', 'archive/data/0']);
    expect(await contentOf(bytes, 'archive/data/0')).toBe('numbers');
  });

  it('reads archives of torch (sizes after the data) and of Python (zip64)', async () => {
    const torch = hostileFiles().find((file) => file.case === 'sound')!.bytes;
    expect(await contentOf(torch, 'pytorch_model/byteorder')).toBe('little');
    expect(await contentOf(fixtureBytes('zip64', 'pytorch_model.bin'), 'archive/version')).toBe('3\n');
  });

  it('finds the end behind a comment that holds an end signature', async () => {
    const bytes = zip(TWO);
    const comment = Buffer.concat([Buffer.from('note '), numbers([0x06054b50, 4]), Buffer.alloc(40)]);
    bytes.writeUInt16LE(comment.length, bytes.length - 2);
    expect(await contentOf(Buffer.concat([bytes, comment]), 'archive/data/0')).toBe('numbers');
  });

  it('reads the directory and the headers, not the content', async () => {
    const big = zip([{ name: 'a/data/0', data: new Uint8Array(1_000_000) }]);
    const source = memorySource(big);
    await readZipDirectory(source);
    expect(source.reads.reduce((sum, [, length]) => sum + length, 0)).toBeLessThan(70_000);
  });

  const wrong: [what: string, record: Partial<ZipRecord>, message: RegExp][] = [
    ['another name before the data', { local: { name: 'archive/data/9' } }, /"archive\/data\/0": .*another name/],
    [
      'another size before the data',
      { local: { size: 3 } },
      /"archive\/data\/0": .*tells 3 bytes, the central directory 7/,
    ],
    ['compression', { central: { method: 8 } }, /compressed \(method 8\)/],
    ['compression in the local header alone', { local: { method: 8 } }, /compressed \(method 8\)/],
    ['encryption', { central: { flags: 1 } }, /encrypted/],
    ['content beyond the directory', { central: { size: 4000 }, local: { size: 4000 } }, /4000 bytes .* reach beyond/],
    ['a header beyond the file', { central: { start: 9000 } }, /header at byte 9000 lies beyond/],
    ['a header that is none', { central: { start: 4 } }, /no header at byte 4/],
    ['the same name twice', { name: 'archive/data.pkl' }, /two entries are named "archive\/data\.pkl"/],
  ];
  it.each(wrong)('refuses %s', async (_, change, message) => {
    const bytes = zip([TWO[0]!, { ...TWO[1]!, ...change }]);
    expect(await thrownBy(() => readZipDirectory(memorySource(bytes, 'x.bin')))).toMatchObject({
      code: 'corrupt-archive',
      exitCode: 6,
      message: expect.stringMatching(message),
    });
  });

  const names = ['../x', 'a/../../x', '/etc/passwd', 'C:/x', 'a\\b', '..\\x', 'a\0b', 'a\nb'];
  it.each(names)('refuses the name %j', async (name) => {
    const bytes = zip([{ name, data: '' }]);
    expect(await thrownBy(() => readZipDirectory(memorySource(bytes)))).toMatchObject({
      code: 'unsafe-path',
      exitCode: 6,
    });
  });

  it('refuses an empty, an overlong and a non-UTF-8 name', async () => {
    for (const name of ['', 'x'.repeat(1025)]) {
      const bytes = zip([{ name, data: '' }]);
      expect(await thrownBy(() => readZipDirectory(memorySource(bytes)))).toMatchObject({ code: 'corrupt-archive' });
    }
    const bytes = zip([{ name: 'ab', data: '' }]);
    bytes.fill(0xff, bytes.lastIndexOf('ab'), bytes.lastIndexOf('ab') + 2);
    expect(await thrownBy(() => readZipDirectory(memorySource(bytes)))).toMatchObject({
      message: expect.stringMatching(/not UTF-8/),
    });
  });

  it('accepts Chinese names, as torch takes them from the file', async () => {
    expect(await contentOf(zip([{ name: '二郎神/data.pkl', data: 'p' }]), '二郎神/data.pkl')).toBe('p');
  });

  it('refuses entries that overlap', async () => {
    const inner = zip([{ name: 'b', data: 'xy' }]); // its first header lies in the content of a
    const header = inner.subarray(0, 31 + 2);
    const outer: ZipRecord = { name: 'a', data: header };
    const bytes = zip([outer, { name: 'b', data: 'xy', central: { start: 31 } }]);
    expect(await thrownBy(() => readZipDirectory(memorySource(bytes)))).toMatchObject({
      code: 'corrupt-archive',
      message: expect.stringMatching(/"a" and "b" overlap at byte 31/),
    });
  });

  it('refuses a file that is cut off at any place', async () => {
    for (const whole of [zip(TWO), zip(TWO, { zip64: true }), hostileFiles().find((f) => f.case === 'sound')!.bytes])
      for (let cut = 1; cut < whole.length; cut += Math.max(1, Math.floor(whole.length / 150))) {
        const error = await thrownBy(() =>
          readZipDirectory(memorySource(whole.subarray(0, whole.length - cut), 'cut.bin')),
        );
        expect(error).toMatchObject({ code: 'corrupt-archive', message: expect.stringMatching(/^cut\.bin.*missing/) });
      }
  });

  it('refuses bytes removed or put in before the directory', async () => {
    const whole = zip(TWO);
    const shorter = Buffer.concat([whole.subarray(0, 40), whole.subarray(41)]);
    const longer = Buffer.concat([Buffer.from('#'), whole]);
    for (const bytes of [shorter, longer])
      expect(await thrownBy(() => readZipDirectory(memorySource(bytes)))).toMatchObject({
        code: 'corrupt-archive',
        message: expect.stringMatching(/central directory should end at byte/),
      });
  });

  it('refuses absurd counts before it allocates for them', async () => {
    const bytes = zip(TWO, { zip64: true });
    const end64 = bytes.indexOf(numbers([0x06064b50, 4]));
    bytes.writeBigUInt64LE(1n << 40n, end64 + 32);
    expect(await thrownBy(() => readZipDirectory(memorySource(bytes)))).toMatchObject({
      message: expect.stringMatching(/1099511627776 entries .* at most 100000/),
    });
    bytes.writeBigUInt64LE(1n << 60n, end64 + 40);
    expect(await thrownBy(() => readZipDirectory(memorySource(bytes)))).toMatchObject({
      message: expect.stringMatching(/impossible/),
    });
  });
});
