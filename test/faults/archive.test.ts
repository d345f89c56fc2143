/** A zip read by ranges: only the wanted entries, each resumable, each checked, and never stored. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PullEvent, type PullOptions, type PullResult, planPull, pullModel } from '../../src/hub/pull.ts';
import { FsbError } from '../../src/util/errors.ts';
import { type EntryToWrite, SYMLINK, writeZip } from '../util/zip-writer.ts';
import { type FaultName, type Request, randomBody, serve, sha256, startFaultServer } from './fault-server.ts';

process.env.NO_PROXY = process.env.no_proxy = '127.0.0.1,localhost';

const PIECE_BYTES = 64 << 10;
const STORED = randomBody(10 * PIECE_BYTES + 77);
/** Deflates to about three quarters. */
const DEFLATED = Buffer.from(randomBody(12 * PIECE_BYTES).toString('base64'));
const OTHER = randomBody(20 * PIECE_BYTES);
const MEMBERS: EntryToWrite[] = [
  { name: '闻仲/config.json', data: '{"model_type":"gpt2"}' },
  { name: '闻仲/pytorch_model.bin', data: STORED, method: 0 },
  { name: '闻仲/vocab.json', data: DEFLATED },
  { name: '其他/notes.bin', data: OTHER, method: 0 },
];
const ZIP = writeZip(MEMBERS);

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'fsb-archive-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const options = (url: string, more: Partial<PullOptions> = {}): PullOptions => ({
  name: 'm',
  sources: [{ kind: 'archive', url: `${url}/files/m.zip?Expires=4102444800&Signature=s3cr3t` }],
  target: path.join(folder, 'out'),
  connections: 3,
  pieceBytes: PIECE_BYTES,
  timeouts: { idleTimeoutMs: 400 },
  retry: { attempts: 3, baseMs: 10, maxMs: 50, maxRetryAfterMs: 2000 },
  ...more,
});
const outcome = (work: Promise<PullResult>): Promise<PullResult | FsbError> =>
  work.catch((error: unknown) => {
    if (error instanceof FsbError) return error;
    throw error;
  });
const written = (name: string): Promise<Buffer> => readFile(path.join(folder, 'out', name));

const damaged = (): Buffer => {
  const copy = Buffer.from(ZIP);
  copy[ZIP.indexOf(STORED) + 5000]! ^= 1;
  return copy;
};
const hostile: [string, Buffer, string][] = [
  ['a flipped bit in an entry', damaged(), 'crc-mismatch'],
  ['a path that leaves the folder', writeZip([...MEMBERS, { name: '../x', data: 'x' }]), 'unsafe-archive'],
  ['an absolute path', writeZip([...MEMBERS, { name: '/etc/x', data: 'x' }]), 'unsafe-archive'],
  ['a name twice', writeZip([...MEMBERS, { name: '闻仲/vocab.json', data: 'x' }]), 'unsafe-archive'],
  [
    'a symbolic link',
    writeZip([...MEMBERS, { name: 'l', data: '/etc', externalAttributes: SYMLINK }]),
    'unsafe-archive',
  ],
  ['a bomb', writeZip([...MEMBERS, { name: '闻仲/bomb.bin', data: Buffer.alloc(8 << 20) }]), 'unsafe-archive'],
  [
    'a bomb that lies about its size',
    writeZip([...MEMBERS, { name: '闻仲/merges.txt', data: Buffer.alloc(8 << 20), sizeBytes: 10_000 }]),
    'unsafe-archive',
  ],
  [
    'an entry that unpacks to less than it says',
    writeZip([...MEMBERS, { name: '闻仲/merges.txt', data: DEFLATED, sizeBytes: DEFLATED.length + 1 }]),
    'corrupt-archive',
  ],
  [
    'a stored entry whose sizes differ',
    writeZip([...MEMBERS, { name: '闻仲/merges.txt', data: OTHER, method: 0, sizeBytes: OTHER.length + 1 }]),
    'corrupt-archive',
  ],
  [
    'an entry that reaches beyond its end',
    writeZip([...MEMBERS, { name: '闻仲/merges.txt', data: 'x', compressedBytes: 1e9 }]),
    'corrupt-archive',
  ],
  [
    'entries over each other',
    writeZip([...MEMBERS, { name: '闻仲/merges.txt', data: 'x', offset: 0 }]),
    'unsafe-archive',
  ],
  ['a wrong CRC-32', writeZip([...MEMBERS, { name: '闻仲/merges.txt', data: DEFLATED, crc32: 1 }]), 'crc-mismatch'],
  [
    'backslashes that lead out of the folder',
    writeZip([...MEMBERS, { name: '..\\..\\x', data: 'x' }]),
    'unsafe-archive',
  ],
  ['an encrypted entry', writeZip([...MEMBERS, { name: '闻仲/merges.txt', data: 'x', flags: 1 }]), 'encrypted-archive'],
  ['its end cut off', ZIP.subarray(0, -40), 'corrupt-archive'],
  ['no zip in it', Buffer.from('<html>'.repeat(100)), 'corrupt-archive'],
];

/** Whether the server knows ranges or not. */
describe.each<[string, FaultName]>([
  ['with', 'none'],
  ['without', '200 in place of 206'],
])('a zip on a server %s ranges', (_with, fault) => {
  it('has its names in GBK read as they are meant', async () => {
    const gbk = (text: string): Buffer => Buffer.from(text, 'hex'); // 二郎神/
    const parent = gbk('b6fec0c9c9f12f');
    const named = MEMBERS.slice(0, 3).map(({ name, ...entry }) => ({
      ...entry,
      name: Buffer.concat([parent, Buffer.from(String(name).split('/')[1]!)]),
    }));
    const zip = writeZip([
      ...named,
      { name: Buffer.concat([parent, gbk('cbb5c3f7'), Buffer.from('.txt')]), data: 'x' },
    ]);
    await using server = await startFaultServer({ 'm.zip': { body: zip, fault } });
    await pullModel(options(server.url, { include: ['*'] }));
    expect((await readdir(path.join(folder, 'out'))).sort()).toEqual([
      '.fsb-checkpoint.json',
      'config.json',
      'pytorch_model.bin',
      'vocab.json',
      '说明.txt',
    ]);
  });

  it('is held to what it was at its first use, file by file, whatever its signature', async () => {
    let body = ZIP;
    await using server = await startFaultServer({
      'm.zip': {
        body: ZIP,
        fault: (r) =>
          serve({ ...r, body, end: Math.min(r.end, body.length), hasRange: r.hasRange && fault === 'none' }),
      },
    });
    const firstUseFile = path.join(folder, 'first-use.json');
    const pull = (signature: string) =>
      outcome(
        pullModel(
          options(server.url, {
            ...{ firstUseFile, force: true },
            sources: [{ kind: 'archive', url: `${server.url}/files/m.zip?Expires=4102444800&Signature=${signature}` }],
          }),
        ),
      );
    expect(await pull('s3cr3t')).not.toBeInstanceOf(FsbError);
    expect(await pull('0th3r')).not.toBeInstanceOf(FsbError);
    expect(await readFile(firstUseFile, 'utf8')).not.toMatch(/s3cr3t|0th3r/);
    // the same size, so that nothing else tells
    body = writeZip(
      MEMBERS.map((member) => (member.data === STORED ? { ...member, data: randomBody(STORED.length) } : member)),
    );
    expect(await pull('s3cr3t')).toMatchObject({
      ...{ exitCode: 6, code: 'changed-since-first-use' },
      message: expect.stringContaining('pytorch_model.bin'),
    });
    expect(sha256(await written('pytorch_model.bin'))).toBe(sha256(STORED));
  });
});

describe('a zip on a server with ranges', () => {
  it('is planned from its directory, and gives its entries without what is beside them', async () => {
    await using server = await startFaultServer({ 'm.zip': { body: ZIP } });
    const plan = await planPull(options(server.url));
    expect(plan.files.map(({ path: name, sizeBytes }) => [name, sizeBytes])).toEqual([
      ['config.json', 21],
      ['pytorch_model.bin', STORED.length],
      ['vocab.json', DEFLATED.length],
    ]);
    const result = await pullModel(options(server.url));
    expect(sha256(await written('pytorch_model.bin'))).toBe(sha256(STORED));
    expect(sha256(await written('vocab.json'))).toBe(sha256(DEFLATED));
    expect(result.files.map((file) => file.sha256)).toContain(sha256(STORED));
    expect(result.bytesTransferred).toBeLessThan(ZIP.length - OTHER.length + (300 << 10));
    expect(JSON.stringify(result)).not.toContain('s3cr3t');
  });

  it('costs next to nothing for one small file', async () => {
    await using server = await startFaultServer({ 'm.zip': { body: ZIP } });
    const result = await pullModel(options(server.url, { include: ['config.json'] }));
    expect(result.bytesTransferred).toBeLessThan(140 << 10);
  });

  it.each<[FaultName]>([
    ['connection dropped in every third request'],
    ['connection dropped after every 100 kB'],
    ['500 twice'],
    ['429 with Retry-After in seconds'],
  ])('%s: the same files', async (fault) => {
    await using server = await startFaultServer({ 'm.zip': { body: ZIP, fault } });
    await pullModel(options(server.url));
    expect(sha256(await written('pytorch_model.bin'))).toBe(sha256(STORED));
    expect(sha256(await written('vocab.json'))).toBe(sha256(DEFLATED));
  });

  it('goes on within an entry after the server was gone', async () => {
    let isDown = false;
    let sent = 0;
    await using server = await startFaultServer({
      'm.zip': {
        body: ZIP,
        fault: (r) => {
          if (r.end - r.start > 2 * PIECE_BYTES) sent += r.end - r.start;
          if (sent > 6 * PIECE_BYTES && !isDown) isDown = r.count < 1000;
          if (isDown) r.response.writeHead(503).end();
          else serve(r);
        },
      },
    });
    expect(await outcome(pullModel(options(server.url)))).toMatchObject({ exitCode: 4 });
    await using up = await startFaultServer({ 'm.zip': { body: ZIP } });
    const result = await pullModel(options(up.url));
    expect(result.files).toHaveLength(3);
    expect(sha256(await written('pytorch_model.bin'))).toBe(sha256(STORED));
  });

  it('is read with zip64 records too', async () => {
    const zip64 = writeZip(
      MEMBERS.map((member) => ({ ...member, zip64: true })),
      { zip64: true },
    );
    await using server = await startFaultServer({ 'm.zip': { body: zip64 } });
    await pullModel(options(server.url));
    expect(sha256(await written('pytorch_model.bin'))).toBe(sha256(STORED));
  });

  it.each(hostile)('with %s is refused', async (_what, body, code) => {
    await using server = await startFaultServer({ 'm.zip': { body } });
    expect(await outcome(pullModel(options(server.url)))).toMatchObject({ exitCode: 6, code });
    expect(await written('pytorch_model.bin').catch(() => 'absent')).toBe('absent');
  });
});

describe('a zip on a server without ranges', () => {
  const fault = '200 in place of 206';
  /** Files beside the target, with their sizes. */
  const beside = async (): Promise<number[]> => {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile() && entry.name !== 'lease');
    return Promise.all(files.map(async (file) => (await stat(path.join(file.parentPath, file.name))).size));
  };

  it('is streamed once, and never stored', async () => {
    const sizes = new Set<number>();
    let isVisible = false;
    await using server = await startFaultServer({ 'm.zip': { body: ZIP, fault, rate: 8e6 } });
    let isConfirmed = false; // a look under way then may see what is there afterwards
    const timer = setInterval(async () => {
      const found = await beside().catch(() => []);
      const target = await stat(path.join(folder, 'out')).catch(() => undefined);
      if (isConfirmed) return;
      for (const size of found) sizes.add(size);
      if (target) isVisible = true;
    }, 10);
    const events: PullEvent[] = [];
    const onEvent = (event: PullEvent): void => {
      if (event.type === 'file') isConfirmed = true;
      events.push(event);
    };
    await pullModel(options(server.url, { onEvent })).finally(() => clearInterval(timer));
    expect(sizes.size).toBeGreaterThan(0);
    expect(sha256(await written('vocab.json'))).toBe(sha256(DEFLATED));
    expect(sha256(await written('pytorch_model.bin'))).toBe(sha256(STORED));
    expect(events.some((event) => event.type === 'progress' && event.path === '')).toBe(true);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(OTHER.length);
    expect(isVisible).toBe(false);
    expect(await readdir(folder)).toEqual(['out']);
    // once to see that there are no ranges, broken off, and once for the content
    expect(server.requests).toHaveLength(2);
  });

  it('is streamed again when the connection breaks', async () => {
    const breaks = (r: Request): void => {
      r.response.writeHead(200, { 'content-length': ZIP.length });
      if (r.count > 1) r.response.end(ZIP);
      else r.response.write(ZIP.subarray(0, ZIP.length / 2), () => setTimeout(() => r.response.destroy(), 20));
    };
    await using server = await startFaultServer({ 'm.zip': { body: ZIP, fault: breaks } });
    await pullModel(options(server.url));
    expect(sha256(await written('pytorch_model.bin'))).toBe(sha256(STORED));
  });

  it('is streamed by one of two at a time', async () => {
    await using server = await startFaultServer({ 'm.zip': { body: ZIP, fault, rate: 20e6 } });
    const events: PullEvent[] = [];
    const both = [0, 1].map(() => pullModel(options(server.url, { onEvent: (event) => events.push(event) })));
    await Promise.all(both);
    expect(sha256(await written('pytorch_model.bin'))).toBe(sha256(STORED));
    expect(events.some((event) => event.type === 'waiting')).toBe(true);
    expect(await readdir(folder)).toEqual(['out']);
  });

  it.each(hostile)('with %s is refused, and leaves nothing', async (_what, body, code) => {
    await using server = await startFaultServer({ 'm.zip': { body, fault } });
    expect(await outcome(pullModel(options(server.url)))).toMatchObject({ exitCode: 6, code });
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('a link that has expired', () => {
  it('is named before connecting, and the mapped hub is used', async () => {
    const { COMMIT, REPO } = await import('./fault-server.ts');
    await using server = await startFaultServer({ 'pytorch_model.bin': { body: STORED }, 'm.zip': { body: ZIP } });
    const events: PullEvent[] = [];
    const result = await pullModel(
      options(server.url, {
        sources: [
          { kind: 'archive', url: `${server.url}/files/m.zip?AccessKeyId=A&Expires=1668211200&Signature=s3cr3t` },
          { kind: 'huggingface', repo: REPO },
        ],
        huggingFaceEndpoint: server.url,
        onEvent: (event) => events.push(event),
      }),
    );
    expect(result).toMatchObject({ revision: COMMIT, files: [{ sha256: sha256(STORED) }] });
    expect(events[0]).toMatchObject({ type: 'passed-over', reason: expect.stringMatching(/expired on 2022-11-12/) });
    expect(JSON.stringify(events)).not.toContain('s3cr3t');
    expect(server.requests.some((request) => request.startsWith('m.zip'))).toBe(false);
  });
});
