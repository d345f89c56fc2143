import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FsbError } from '../../src/util/errors.ts';
import { openZip, readZipEntry, type ZipLimits } from '../../src/util/zip.ts';
import { type EntryToWrite, FIFO, SYMLINK, writeZip, type ZipToWrite } from './zip-writer.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'fsb-zip-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function writeArchive(entries: readonly EntryToWrite[], options?: ZipToWrite): Promise<string> {
  const file = path.join(folder, 'archive.zip');
  await writeFile(file, writeZip(entries, options));
  return file;
}

/** Unpacks into `folder/out` and returns what came out, path → text. */
async function unpack(file: string, limits?: ZipLimits): Promise<Record<string, string>> {
  const archive = await openZip(file, limits);
  const out = path.join(folder, 'out');
  try {
    await archive.extractTo(out);
    const texts: Record<string, string> = {};
    for (const entry of archive.entries) texts[entry.path] = await readFile(path.join(out, entry.path), 'utf8');
    return texts;
  } finally {
    await archive.close();
  }
}

async function errorOf(work: Promise<unknown>): Promise<FsbError> {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(FsbError);
  return error as FsbError;
}

/** 二郎神 and 词表 in GBK. */
const ERLANGSHEN_GBK = Buffer.from('b6fec0c9c9f1', 'hex');
const VOCAB_GBK = Buffer.from('b4cab1ed2e747874', 'hex');
const gbk = (...parts: (Buffer | string)[]): Buffer => Buffer.concat(parts.map((part) => Buffer.from(part as string)));

describe('honest zips', () => {
  it('unpacks stored and deflated entries, folders, empty files', async () => {
    const file = await writeArchive([
      { name: 'm/' },
      { name: 'm/config.json', data: '{}' },
      { name: 'm/vocab.txt', data: '[PAD]\n', method: 0 },
      { name: 'm/empty', data: '', method: 0 },
    ]);
    expect(await unpack(file)).toEqual({ 'm/config.json': '{}', 'm/vocab.txt': '[PAD]\n', 'm/empty': '' });
  });

  it.each([
    ['flagged UTF-8', { name: '二郎神/词表.txt' }],
    ['UTF-8 without the flag', { name: Buffer.from('二郎神/词表.txt') }],
    ['GBK', { name: gbk(ERLANGSHEN_GBK, '/', VOCAB_GBK) }],
  ])('reads Chinese names in %s', async (_encoding, entry) => {
    expect(await unpack(await writeArchive([{ ...entry, data: '的' }]))).toEqual({ '二郎神/词表.txt': '的' });
  });

  it('takes a GBK character whose second byte is a backslash for a character', async () => {
    const file = await writeArchive([{ name: Buffer.from('8b5c2e747874', 'hex'), data: 'x' }]);
    expect(Object.keys(await unpack(file))).toEqual([
      `${new TextDecoder('gbk').decode(Buffer.from('8b5c', 'hex'))}.txt`,
    ]);
  });

  it('reads zip64 sizes, offsets and end records', async () => {
    const entries = [
      { name: 'a', data: 'first', zip64: true },
      { name: 'b', data: 'second', zip64: true, method: 0 },
    ];
    expect(await unpack(await writeArchive(entries, { zip64: true }))).toEqual({ a: 'first', b: 'second' });
  });

  it('finds the end record behind a long comment, and not the one of a zip stored inside', async () => {
    const inner = writeZip([{ name: 'data.pkl', data: 'inner' }]);
    const comment = '封神榜'.repeat(2000);
    const file = await writeArchive([{ name: 'pytorch_model.bin', data: inner, method: 0 }], { comment });
    const archive = await openZip(file);
    expect(archive.entries.map((entry) => entry.path)).toEqual(['pytorch_model.bin']);
    await archive.close();
  });

  it('skips what macOS and Windows leave', async () => {
    const litter = ['__MACOSX/m/._config.json', 'm/._vocab.txt', 'm/.DS_Store', 'm/Thumbs.db'];
    const file = await writeArchive([...litter, 'm/config.json'].map((name) => ({ name, data: 'x' })));
    expect(Object.keys(await unpack(file))).toEqual(['m/config.json']);
  });

  it('streams megabytes unchanged, and lets a reader leave early', async () => {
    const data = randomBytes(5 << 20);
    const file = await writeArchive([
      { name: 'deflated', data },
      { name: 'stored', data, method: 0 },
    ]);
    const archive = await openZip(file);
    for (const entry of archive.entries) {
      for await (const chunk of archive.stream(entry)) {
        expect((chunk as Buffer).length).toBeGreaterThan(0);
        break;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of archive.stream(entry)) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).equals(data)).toBe(true);
    }
    await archive.close();
  });

  it('stops at an abort', async () => {
    const file = await writeArchive([{ name: 'a', data: randomBytes(1 << 20) }]);
    const archive = await openZip(file);
    const reason = new Error('enough');
    await expect(archive.extractTo(path.join(folder, 'out'), { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    await archive.close();
  });
});

describe('hostile and damaged zips are refused, and nothing is written outside', () => {
  const bomb = Buffer.alloc(4 << 20);
  const good = { name: 'config.json', data: '{}' };
  const cases: [string, EntryToWrite[], string, number, RegExp, ZipToWrite?][] = [
    ['an absolute path', [{ name: '/etc/passwd' }], 'unsafe-archive', 6, /absolute path/],
    ['a drive letter', [{ name: 'C:evil.dll' }], 'unsafe-archive', 6, /drive letter/],
    ['.. segments', [{ name: 'm/../../evil' }], 'unsafe-archive', 6, /"\.\." segment/],
    [
      '.. in GBK',
      [{ name: gbk(ERLANGSHEN_GBK, '/../../x') }],
      'unsafe-archive',
      6,
      /"二郎神\/\.\.\/\.\.\/x".*"\.\." segment/,
    ],
    ['.. with backslashes', [{ name: '..\\..\\evil' }], 'unsafe-archive', 6, /backslash/],
    ['a root with backslashes', [{ name: '\\\\server\\share' }], 'unsafe-archive', 6, /backslash/],
    ['a folder with ..', [{ name: '../' }], 'unsafe-archive', 6, /"\.\." segment/],
    ['a NUL', [{ name: 'config.json\0.txt' }], 'unsafe-archive', 6, /NUL/],
    ['an escape sequence', [{ name: '\u001b[2Jx' }], 'unsafe-archive', 6, /"\\u001b\[2Jx": a control character/],
    ['an alternate stream', [{ name: 'a.txt:hidden' }], 'unsafe-archive', 6, /colon/],
    ['an empty name', [{ name: '' }], 'unsafe-archive', 6, /empty name/],
    ['a name of 300 bytes', [{ name: 'x'.repeat(300) }], 'unsafe-archive', 6, /longer than 255 bytes/],
    ['an undecodable name', [{ name: Buffer.from('c1', 'hex') }], 'unsafe-archive', 6, /neither UTF-8 nor GBK/],
    ['false UTF-8', [{ name: gbk(VOCAB_GBK), flags: 1 << 11 }], 'unsafe-archive', 6, /neither UTF-8, as it is flagged/],
    [
      'a symbolic link',
      [{ name: 'l', data: '/etc', externalAttributes: SYMLINK }],
      'unsafe-archive',
      6,
      /"l": a symbolic link/,
    ],
    ['a pipe', [{ name: 'p', externalAttributes: FIFO }], 'unsafe-archive', 6, /file type 010000/],
    ['a name twice', [good, good], 'unsafe-archive', 6, /there twice/],
    ['a name twice but for case', [good, { name: 'CONFIG.json' }], 'unsafe-archive', 6, /twice \(as "config.json"\)/],
    ['a name twice but for accents', [{ name: '\u00e9' }, { name: 'e\u0301' }], 'unsafe-archive', 6, /twice/],
    [
      'a file as a folder',
      [
        { name: 'A', data: 'x' },
        { name: 'a/b', data: 'x' },
      ],
      'unsafe-archive',
      6,
      /"a" is also a file/,
    ],
    ['an encrypted entry', [{ ...good, flags: 1 }], 'encrypted-archive', 6, /"config.json" is encrypted/],
    ['Deflate64', [{ ...good, method: 9 }], 'unsupported-compression', 8, /Deflate64/],
    ['an unknown method', [{ ...good, method: 77 }], 'unsupported-compression', 8, /method 77/],
    ['a bomb', [{ name: 'zeros', data: bomb }], 'unsafe-archive', 6, /zip bomb/],
    [
      'a bomb that lies',
      [{ name: 'zeros', data: bomb, sizeBytes: 100 }],
      'unsafe-archive',
      6,
      /declares 100 bytes and unpacks to more/,
    ],
    ['too few bytes', [{ ...good, sizeBytes: 5 }], 'corrupt-archive', 6, /declares 5 bytes and has 2/],
    [
      'a stored size that lies',
      [{ ...good, method: 0, sizeBytes: 9 }],
      'corrupt-archive',
      6,
      /2 bytes are said to become 9/,
    ],
    [
      'overlapping entries',
      [
        { name: 'a', data: 'x' },
        { name: 'b', data: 'x', offset: 0 },
      ],
      'unsafe-archive',
      6,
      /overlap/,
    ],
    ['a wrong CRC-32', [{ ...good, crc32: 1 }], 'crc-mismatch', 6, /"config.json": expected CRC-32 00000001, found/],
    ['an entry beyond the data', [{ ...good, compressedBytes: 1e6 }], 'corrupt-archive', 6, /reaches beyond/],
    ['a wrong offset', [{ ...good, offset: 3 }], 'corrupt-archive', 6, /no local header at 3|reaches beyond/],
    [
      'bytes that do not inflate',
      [{ name: 'x', data: Buffer.alloc(20, 0xff), method: 0 }],
      'corrupt-archive',
      6,
      /cannot be inflated/,
    ],
    ['too many entries', [good], 'unsafe-archive', 6, /20000 entries/, { numberOfEntries: 20_000 }],
    [
      'absurdly many entries',
      [good],
      'unsafe-archive',
      6,
      /entries; at most/,
      { numberOfEntries: 2 ** 60, zip64: true },
    ],
    ['more entries than fit', [good], 'corrupt-archive', 6, /do not fit/, { numberOfEntries: 500 }],
    ['a split archive', [good], 'split-archive', 8, /split over several files/, { diskNumber: 1 }],
  ];

  it.each(cases)('%s', async (...[name, entries, code, exitCode, message, options]) => {
    let bytes = writeZip(entries, options);
    // Deflated according to its headers, stored in fact.
    if (name === 'bytes that do not inflate') bytes = relabel(bytes);
    const file = path.join(folder, 'archive.zip');
    await writeFile(file, bytes);
    const error = await errorOf(unpack(file));
    expect(error).toMatchObject({ code, exitCode });
    expect(error.message).toMatch(message);
    expect(error.message).toContain('archive.zip');
    expect((await readdir(folder)).filter((found) => !['archive.zip', 'out'].includes(found))).toEqual([]);
  });

  it('limits the sum of the unpacked sizes', async () => {
    const file = await writeArchive(['a', 'b', 'c'].map((name) => ({ name, data: Buffer.alloc(1000, name) })));
    const error = await errorOf(openZip(file, { maxTotalBytes: 2500 }));
    expect(error).toMatchObject({ code: 'unsafe-archive', exitCode: 6 });
    expect(error.message).toMatch(/"c".*more than 2\.50 kB/);
  });

  it('says what a truncated archive is, wherever it is cut', async () => {
    const whole = writeZip(['a', 'b', 'c'].map((name) => ({ name, data: randomBytes(500) })));
    const file = path.join(folder, 'archive.zip');
    for (let length = 0; length < whole.length; length += 29) {
      await writeFile(file, whole.subarray(0, length));
      expect(await errorOf(openZip(file))).toMatchObject({ code: 'corrupt-archive', exitCode: 6 });
    }
  });

  it('survives every single damaged byte with an error of its own or with the right bytes', async () => {
    const entries = [
      { name: 'a', data: 'one one one one' },
      { name: 'b', data: 'two', method: 0, zip64: true },
    ];
    const whole = writeZip(entries, { zip64: true });
    const file = path.join(folder, 'archive.zip');
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] = damaged[at]! ^ 0xff;
      await writeFile(file, damaged);
      await rm(path.join(folder, 'out'), { recursive: true, force: true });
      const result = await unpack(file).catch((error: unknown) => error);
      if (result instanceof FsbError) expect([6, 8]).toContain(result.exitCode);
      else
        expect(
          Object.values(result as object).every((text) => entries.some((e) => e.data === text)),
          `byte ${at}`,
        ).toBe(true);
    }
  });

  it('names a file that is not there', async () => {
    const error = await errorOf(openZip(path.join(folder, 'none.zip')));
    expect(error).toMatchObject({ code: 'file-not-found', exitCode: 3 });
  });
});

describe('readZipEntry', () => {
  it('finds a file by its base name or full path', async () => {
    const file = await writeArchive([
      { name: 'tnews/train.json', data: 'train' },
      { name: 'tnews/old/dev.json', data: 'old' },
      { name: 'tnews/dev.json', data: 'dev' },
    ]);
    expect(String(await readZipEntry(file, 'train.json'))).toBe('train');
    expect(String(await readZipEntry(file, 'tnews/dev.json'))).toBe('dev');
    expect(await errorOf(readZipEntry(file, 'dev.json'))).toMatchObject({ code: 'ambiguous-entry', exitCode: 3 });
    const missing = await errorOf(readZipEntry(file, 'test.json'));
    expect(missing).toMatchObject({ code: 'entry-not-found', exitCode: 3 });
    expect(missing.message).toContain('tnews/train.json');
  });

  it('reads no more than the caller wants in memory', async () => {
    const file = await writeArchive([{ name: 'train.json', data: 'x'.repeat(100) }]);
    expect(await errorOf(readZipEntry(file, 'train.json', 99))).toMatchObject({ code: 'unsafe-archive', exitCode: 6 });
  });
});

/** Changes method 0 to 8 in the local header and in the directory. */
function relabel(bytes: Buffer): Buffer {
  bytes.writeUInt16LE(8, 8);
  bytes.writeUInt16LE(8, bytes.indexOf(Buffer.from('504b0102', 'hex')) + 10);
  return bytes;
}
