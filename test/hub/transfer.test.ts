import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { createHttpClient } from '../../src/hub/http.ts';
import { httpSource } from '../../src/hub/sources/http.ts';
import { folderSource } from '../../src/hub/sources/local.ts';
import type { Source, SourceFile } from '../../src/hub/sources/source.ts';
import { transferFile } from '../../src/hub/transfer.ts';
import { errorOf, tree, useScratch } from './scratch.ts';
import { bytes, type Handler, stalled, startServer, status, truncated } from './server.ts';

const scratch = useScratch();
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const gitSha1 = (text: string): string =>
  createHash('sha1')
    .update(`blob ${Buffer.byteLength(text)}\0${text}`)
    .digest('hex');

async function withServer<T>(handler: Handler, work: (source: Source) => Promise<T>): Promise<T> {
  await using server = await startServer({ '/pytorch_model.bin': handler });
  const http = createHttpClient({ idleTimeoutMs: 300 });
  try {
    return await work(httpSource(`${server.url}/pytorch_model.bin`, http));
  } finally {
    await http.close();
  }
}

const retry = { attempts: 2, baseMs: 5, maxMs: 20, maxRetryAfterMs: 100 };
const stall = { idleMs: 300, slowAfterMs: 10_000, slowShare: 0.1 };

describe('transferFile', () => {
  it('writes the bytes, their size and sha256, and counts them', async () => {
    const counted: [number, number | undefined][] = [];
    const content = '封神榜';
    const result = await withServer(bytes(content), (source) =>
      transferFile(source, { path: 'm/pytorch_model.bin', sha256: sha256(content) }, scratch(), {
        onHeld: (...held) => counted.push(held),
      }),
    );
    expect(result).toMatchObject({ path: 'm/pytorch_model.bin', sizeBytes: 9, sha256: sha256(content) });
    expect(await readFile(scratch('m/pytorch_model.bin'), 'utf8')).toBe(content);
    expect(await tree(scratch())).toEqual(['m', 'm/pytorch_model.bin']);
    expect(counted.at(-1)).toEqual([9, 9]);
  });

  it('accepts an empty file', async () => {
    const result = await withServer(bytes(''), (source) =>
      transferFile(source, { path: 'x', sizeBytes: 0 }, scratch()),
    );
    expect(result).toMatchObject({ sizeBytes: 0, sha256: sha256('') });
  });

  const good = 'weights';
  const faults: [string, Handler, Omit<SourceFile, 'path'>, string, number][] = [
    ['another sha256', bytes(good), { sha256: sha256('other') }, 'hash-mismatch', 6],
    ['another Git blob', bytes(good), { sizeBytes: 7, gitSha1: gitSha1('weightz') }, 'hash-mismatch', 6],
    ['more bytes than listed', bytes(`${good}!`), { sizeBytes: 7 }, 'size-mismatch', 6],
    ['fewer bytes than listed', bytes('weight'), { sizeBytes: 7 }, 'size-mismatch', 6],
    ['a connection that breaks', truncated('wei', 7), { sizeBytes: 7 }, 'connection-failed', 4],
    ['a connection that stalls', stalled('wei'), {}, 'connection-failed', 4],
    [
      'a file too large for the disk',
      (_q, r) => r.writeHead(200, { 'content-length': 2 ** 52 }).write('x'),
      {},
      'disk-full',
      7,
    ],
    ['no such file', status(404), {}, 'url-not-found', 3],
    ['no access', status(403), {}, 'forbidden', 5],
  ];

  it.each(faults)('%s: an error, and nothing on the disk', async (_fault, handler, expected, code, exitCode) => {
    const file = { path: 'pytorch_model.bin', ...expected };
    const error = await errorOf(
      withServer(handler, (source) => transferFile(source, file, scratch(), { retry, stall })),
    );
    expect(error).toMatchObject({ code, exitCode });
    expect(error.message).toContain('pytorch_model.bin');
    expect(await tree(scratch())).toEqual([]);
  });

  it('is stopped by an abort, and leaves nothing', async () => {
    const controller = new AbortController();
    const reason = new Error('stop');
    const work = withServer(stalled('wei'), (source) =>
      transferFile(source, { path: 'pytorch_model.bin' }, scratch(), {
        signal: controller.signal,
        onReceived: () => controller.abort(reason),
      }),
    );
    await expect(work).rejects.toBe(reason);
    expect(await tree(scratch())).toEqual([]);
  });

  it('copies a local file byte by byte or as a clone, with its hash', async () => {
    await mkdir(scratch('in'));
    await writeFile(scratch('in/config.json'), '{}');
    const source = await folderSource(scratch('in'));
    const result = await transferFile(source, { path: 'config.json' }, scratch('out'));
    expect(result).toMatchObject({ sizeBytes: 2, sha256: sha256('{}') });
    expect(await readFile(scratch('out/config.json'), 'utf8')).toBe('{}');
  });
});
