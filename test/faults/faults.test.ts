/** The fault table: what servers and networks do to a download, and what must come of it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PullEvent, type PullOptions, type PullResult, pullModel } from '../../src/hub/pull.ts';
import { FsbError } from '../../src/util/errors.ts';
import { startServer } from '../hub/server.ts';
import { type FaultName, REPO, randomBody, serve, sha256, startFaultServer } from './fault-server.ts';

process.env.NO_PROXY = process.env.no_proxy = '127.0.0.1,localhost';

const PIECE_BYTES = 64 << 10;
const CONNECTIONS = 4;
const BODY = randomBody(40 * PIECE_BYTES + 12_345);
const NAME = 'pytorch_model.bin';
const CONFIG = Buffer.from('{"model_type":"bert"}');

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'fsb-faults-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const options = (url: string, more: Partial<PullOptions> = {}): PullOptions => ({
  name: 'faulty',
  sources: [{ kind: 'huggingface', repo: REPO }],
  target: path.join(folder, 'out'),
  huggingFaceEndpoint: url,
  modelScopeEndpoint: url,
  connections: CONNECTIONS,
  pieceBytes: PIECE_BYTES,
  timeouts: { idleTimeoutMs: 400, connectTimeoutMs: 1000 },
  retry: { attempts: 3, baseMs: 10, maxMs: 50, maxRetryAfterMs: 2000 },
  ...more,
});

const outcome = async (work: Promise<PullResult>): Promise<PullResult | FsbError> =>
  work.catch((error: unknown) => {
    if (error instanceof FsbError) return error;
    throw error;
  });

/** fault → exit code, error code, bytes received ÷ size at most */
const WITH_HASH: readonly (readonly [FaultName, number, string | undefined, number])[] = [
  ['none', 0, undefined, 1],
  ['connection dropped in every third request', 0, undefined, 1.2],
  ['connection reset before the headers', 0, undefined, 1],
  ['connection dropped after every 100 kB', 0, undefined, 1], // slow, not hopeless
  ['stall after half, once', 0, undefined, 1.2],
  ['stall always', 4, 'connection-failed', 0],
  ['500 twice', 0, undefined, 1],
  ['503 always', 4, 'server-error', 0],
  ['429 with Retry-After in seconds', 0, undefined, 1],
  ['429 with Retry-After as a date', 0, undefined, 1],
  ['429 with Retry-After of a day', 4, 'rate-limited', 0],
  ['404', 3, 'url-not-found', 0],
  ['403', 5, 'forbidden', 0],
  ['200 in place of 206', 0, undefined, 1.5],
  ['200 in place of 206, dropped once', 0, undefined, 2.1],
  ['wrong Content-Range, once', 0, undefined, 1],
  ['wrong Content-Range, always', 4, 'wrong-range', 0],
  ['ranges compressed, once', 0, undefined, 1],
  ['ranges compressed, always', 4, 'unexpected-encoding', 0],
  ['short body in chunks, once', 0, undefined, 1.1],
  ['longer body in chunks', 4, 'wrong-range', 5],
  ['chunked without length', 0, undefined, 1.5],
  ['one bit flipped, once', 0, undefined, 2.1],
  ['one bit flipped, always', 6, 'hash-mismatch', 2.1],
  ['truncated file', 6, 'size-mismatch', 0],
  ['ETag changes with every request', 0, undefined, 1],
  ['redirect loop', 4, 'redirect-loop', 0],
];

describe('a file whose hash is known', () => {
  it.each(WITH_HASH)('%s: exit code %i', async (fault, exitCode, code, ratio) => {
    await using server = await startFaultServer({ 'config.json': { body: CONFIG }, [NAME]: { body: BODY, fault } });
    const result = await outcome(pullModel(options(server.url)));
    if (exitCode === 0) {
      expect(result).not.toBeInstanceOf(FsbError);
      const { files, bytesTransferred } = result as PullResult;
      expect(files.find((file) => file.path === NAME)).toMatchObject({ sizeBytes: BODY.length, sha256: sha256(BODY) });
      expect(sha256(await readFile(path.join(folder, 'out', NAME)))).toBe(sha256(BODY));
      expect(bytesTransferred / BODY.length).toBeLessThanOrEqual(ratio + 0.001);
    } else {
      expect(result).toMatchObject({ exitCode, code });
      expect(await readFile(path.join(folder, 'out', NAME)).catch(() => 'absent')).toBe('absent');
    }
  });
});

/** Without a hash the same faults, as far as sizes and validators tell; from a plain URL, no listing either. */
const WITHOUT_HASH: readonly (readonly [FaultName, number, string | undefined])[] = [
  ['none', 0, undefined],
  ['connection dropped in every third request', 0, undefined],
  ['stall after half, once', 0, undefined],
  ['503 always', 4, 'server-error'],
  ['404', 3, 'url-not-found'],
  ['200 in place of 206', 0, undefined],
  ['wrong Content-Range, always', 4, 'wrong-range'],
  ['chunked without length', 0, undefined],
  ['ETag changes with every request', 6, 'changed-underneath'],
];

describe('a file behind a URL, of which nothing is known', () => {
  it.each(WITHOUT_HASH)('%s: exit code %i', async (fault, exitCode, code) => {
    await using server = await startFaultServer({ [NAME]: { body: BODY, fault } });
    const sources = [{ kind: 'http', url: `${server.url}/files/${NAME}` }] as const;
    const result = await outcome(pullModel(options(server.url, { sources })));
    if (exitCode === 0) {
      expect(result).not.toBeInstanceOf(FsbError);
      expect(sha256(await readFile(path.join(folder, 'out', NAME)))).toBe(sha256(BODY));
    } else expect(result).toMatchObject({ exitCode, code });
  });

  it('is held to what it was at its first use', async () => {
    const firstUseFile = path.join(folder, 'first-use.json');
    let body = BODY;
    await using server = await startFaultServer({ [NAME]: { body: BODY, fault: (r) => serve({ ...r, body }) } });
    const pull = (signature: string) => {
      const sources = [{ kind: 'http', url: `${server.url}/files/${NAME}?Signature=${signature}` }] as const;
      return outcome(pullModel(options(server.url, { sources, firstUseFile, force: true })));
    };
    expect(await pull('s3cr3t')).not.toBeInstanceOf(FsbError);
    expect(await pull('0th3r')).not.toBeInstanceOf(FsbError);
    expect(await readFile(firstUseFile, 'utf8')).not.toMatch(/s3cr3t|0th3r/);
    body = randomBody(BODY.length);
    expect(await pull('s3cr3t')).toMatchObject({ exitCode: 6, code: 'changed-since-first-use' });
    expect(sha256(await readFile(path.join(folder, 'out', NAME)))).toBe(sha256(BODY));
  });
});

describe('going on after a failure', () => {
  it('fetches only what is missing, and compares what is there with its journal', async () => {
    const fails = async (): Promise<number> => {
      // each connection brings its first half, then the server is gone
      await using server = await startFaultServer({
        [NAME]: {
          body: BODY,
          fault: (r) => {
            if (r.count >= 3) r.response.writeHead(503).end();
            else {
              r.response.writeHead(206, {
                'content-range': `bytes ${r.start}-${r.end - 1}/${BODY.length}`,
                'content-length': r.end - r.start,
              });
              const half = r.start + Math.floor((r.end - r.start) / 2);
              r.response.write(BODY.subarray(r.start, half), () => setTimeout(() => r.response.destroy(), 30));
            }
          },
        },
      });
      expect(await outcome(pullModel(options(server.url)))).toMatchObject({ exitCode: 4 });
      return server.sentBytes;
    };
    const before = await fails();
    expect(before).toBeGreaterThan(BODY.length / 5);
    // one byte of what is there goes bad on the disk
    const data = path.join(folder, 'out.partial/files', NAME);
    const { open } = await import('node:fs/promises');
    const handle = await open(data, 'r+');
    await handle.write(Buffer.from([BODY[5]! ^ 1]), 0, 1, 5);
    await handle.close();
    await using server = await startFaultServer({ [NAME]: { body: BODY } });
    const result = (await pullModel(options(server.url))) as PullResult;
    expect(sha256(await readFile(path.join(folder, 'out', NAME)))).toBe(sha256(BODY));
    // three begun pieces and the damaged one are fetched again
    expect(before + result.bytesTransferred).toBeLessThanOrEqual(BODY.length + 4 * PIECE_BYTES);
  });

  it('starts over when the file is another one and nobody knows a hash', async () => {
    const other = randomBody(BODY.length);
    let body = BODY;
    let etag = '"old"';
    let isDown = true;
    await using server = await startFaultServer({
      [NAME]: {
        body: BODY,
        fault: (r) => {
          if (isDown && r.count > 2) r.response.writeHead(503).end();
          else if (r.ifRange !== undefined && r.ifRange !== etag)
            r.response.writeHead(200, { 'content-length': body.length, etag }).end(body);
          else
            r.response
              .writeHead(206, { 'content-range': `bytes ${r.start}-${r.end - 1}/${body.length}`, etag })
              .end(body.subarray(r.start, r.end));
        },
      },
    });
    const sources = [{ kind: 'http', url: `${server.url}/files/${NAME}` }] as const;
    expect(await outcome(pullModel(options(server.url, { sources })))).toMatchObject({ exitCode: 4 });
    [body, etag, isDown] = [other, '"new"', false];
    const result = await outcome(pullModel(options(server.url, { sources })));
    expect(result).toMatchObject({ files: [{ sha256: sha256(other) }] });
    expect(sha256(await readFile(path.join(folder, 'out', NAME)))).toBe(sha256(other));
  });
});

describe('several places for one file', () => {
  const mirrored = (url: string, mirror: string, events: PullEvent[] = []): PullOptions =>
    options(url, {
      sources: [
        { kind: 'huggingface', repo: REPO },
        { kind: 'huggingface', repo: REPO, endpoint: mirror },
      ],
      onEvent: (event) => events.push(event),
    });

  it('are used together', async () => {
    await using server = await startFaultServer({ [NAME]: { body: BODY, rate: 1e6 } });
    await using mirror = await startFaultServer({ [NAME]: { body: BODY, rate: 1e6 } });
    const result = await pullModel(mirrored(server.url, mirror.url));
    expect(result.files[0]?.sha256).toBe(sha256(BODY));
    expect(result.files[0]?.source).toContain(' + ');
    expect(Math.min(server.requests.length, mirror.requests.length)).toBeGreaterThan(0);
  });

  it.each<[FaultName]>([['503 always'], ['stall always'], ['connection dropped after every 100 kB']])(
    'the other goes on when one has %s',
    async (fault) => {
      await using server = await startFaultServer({ [NAME]: { body: BODY, fault } });
      await using mirror = await startFaultServer({ [NAME]: { body: BODY } });
      const result = await pullModel(mirrored(server.url, mirror.url));
      expect(result.files[0]?.sha256).toBe(sha256(BODY));
    },
  );

  it('a place that is not there at all is named and the next one lists', async () => {
    await using mirror = await startFaultServer({ [NAME]: { body: BODY } });
    const events: PullEvent[] = [];
    const result = await pullModel(mirrored('http://127.0.0.1:9', mirror.url, events));
    expect(result.files[0]?.sha256).toBe(sha256(BODY));
    expect(events[1]).toMatchObject({ type: 'passed-over', source: `huggingface:${REPO}` });
  });

  it("a repository that is not there makes the next one's turn", async () => {
    await using other = await startServer({});
    await using mirror = await startFaultServer({ [NAME]: { body: BODY } });
    const events: PullEvent[] = [];
    const result = await pullModel(mirrored(other.url, mirror.url, events));
    expect(result.files[0]?.sha256).toBe(sha256(BODY));
    expect(events[1]).toMatchObject({
      type: 'passed-over',
      source: `huggingface:${REPO}`,
      reason: expect.stringContaining('HTTP 404'),
    });
  });

  it('none of which has it are all named, each with its reason', async () => {
    await using other = await startServer({});
    const all = await outcome(pullModel(mirrored(other.url, other.url)));
    expect(all).toMatchObject({ exitCode: 3, code: 'url-not-found' });
    expect((all as FsbError).message.match(/HTTP 404/g)).toHaveLength(2);
    // one that could not be asked may have it
    const some = await outcome(pullModel(mirrored(other.url, 'http://127.0.0.1:9')));
    expect(some).toMatchObject({ exitCode: 4, code: 'connection-failed' });
    expect((some as FsbError).message).toContain('HTTP 404');
  });

  it('of which none has the revision that is asked for are not taken for it', async () => {
    await using server = await startFaultServer({ [NAME]: { body: BODY } });
    const sources = [{ kind: 'modelscope', repo: REPO }] as const;
    const revision = 'd'.repeat(40);
    expect(await outcome(pullModel(options(server.url, { sources, revision })))).toMatchObject({
      exitCode: 2,
      code: 'no-revisions',
    });
    expect(server.requests).toEqual([]);
  });

  it('a 404 of the first is an answer: the second is not asked for another opinion', async () => {
    await using server = await startFaultServer({ [NAME]: { body: BODY, fault: '404' } });
    await using mirror = await startFaultServer({ [NAME]: { body: BODY } });
    expect(await outcome(pullModel(mirrored(server.url, mirror.url)))).toMatchObject({ exitCode: 3 });
  });

  it('a mirror that lacks the file is dropped', async () => {
    await using server = await startFaultServer({ [NAME]: { body: BODY, rate: 1e6 } });
    await using mirror = await startFaultServer({ [NAME]: { body: BODY, fault: '404' } });
    const events: PullEvent[] = [];
    expect((await pullModel(mirrored(server.url, mirror.url, events))).files[0]?.sha256).toBe(sha256(BODY));
    expect(events.filter((event) => event.type === 'passed-over')).toHaveLength(1);
  });

  it('a mirror that serves other bytes is dropped and named', async () => {
    await using server = await startFaultServer({ [NAME]: { body: BODY, rate: 1e6 } });
    await using liar = await startFaultServer({
      [NAME]: { body: randomBody(BODY.length), listedSha256: sha256(BODY), rate: 1e6 },
    });
    const events: PullEvent[] = [];
    const result = await pullModel(mirrored(server.url, liar.url, events));
    expect(result.files[0]).toMatchObject({ sha256: sha256(BODY), source: `huggingface:${REPO}` });
    expect(events.filter((event) => event.type === 'passed-over')).toMatchObject([
      { source: `huggingface:${REPO}@${new URL(liar.url).host}`, reason: expect.stringMatching(/other bytes/) },
    ]);
  });

  it.each([
    ['it has other bytes', randomBody(BODY.length), sha256(BODY), 0],
    ['both tell another hash', BODY, 'a'.repeat(64), 6],
  ])('wrong bytes at the first (%s) are never kept', async (_what, body, listedSha256, exitCode) => {
    await using server = await startFaultServer({ [NAME]: { body, listedSha256, rate: 1e7 } });
    await using mirror = await startFaultServer({ [NAME]: { body: BODY, listedSha256, rate: 1e7 } });
    const events: PullEvent[] = [];
    const result = await outcome(pullModel(mirrored(server.url, mirror.url, events)));
    if (exitCode === 0) {
      expect(result).toMatchObject({ files: [{ sha256: sha256(BODY) }] });
      expect(events.filter((event) => event.type === 'passed-over')).toMatchObject([
        { source: `huggingface:${REPO}`, reason: expect.stringMatching(/other bytes/) },
      ]);
    } else {
      expect(result).toMatchObject({ exitCode, code: 'hash-mismatch' });
      expect(await readFile(path.join(folder, 'out', NAME)).catch(() => 'absent')).toBe('absent');
      expect(await readFile(path.join(folder, 'out.partial/files', NAME)).catch(() => 'absent')).toBe('absent');
    }
  });

  it('a mirror that lists another hash is never asked for a byte', async () => {
    await using server = await startFaultServer({ [NAME]: { body: BODY, rate: 1e6 } });
    await using other = await startFaultServer({ [NAME]: { body: randomBody(BODY.length) } });
    const events: PullEvent[] = [];
    expect((await pullModel(mirrored(server.url, other.url, events))).files[0]?.sha256).toBe(sha256(BODY));
    expect(other.requests).toEqual([]);
    expect(events.filter((event) => event.type === 'passed-over')).toHaveLength(1);
  });

  it('ModelScope lists, serves and helps', async () => {
    await using server = await startFaultServer({ 'config.json': { body: CONFIG }, [NAME]: { body: BODY } });
    const modelscope = { kind: 'modelscope', repo: REPO } as const;
    const alone = await pullModel(options(server.url, { sources: [modelscope] }));
    expect(alone.files.map((file) => file.source)).toEqual([`modelscope:${REPO}`, `modelscope:${REPO}`]);
    await using down = await startFaultServer({
      'config.json': { body: CONFIG },
      [NAME]: { body: BODY, fault: '503 always' },
    });
    const helped = await pullModel(
      options(down.url, {
        sources: [{ kind: 'huggingface', repo: REPO }, modelscope],
        modelScopeEndpoint: server.url,
        target: path.join(folder, 'helped'),
      }),
    );
    expect(helped.files.find((file) => file.path === NAME)?.source).toBe(`modelscope:${REPO}`);
  });

  it('a folder behind a URL helps a hub', async () => {
    await using server = await startFaultServer({ [NAME]: { body: BODY, fault: '503 always' } });
    await using plain = await startFaultServer({ [NAME]: { body: BODY } });
    const sources = [
      { kind: 'http-folder', url: `${plain.url}/files/` },
      { kind: 'huggingface', repo: REPO },
    ] as const;
    expect((await pullModel(options(server.url, { sources }))).files[0]?.source).toBe(`${plain.url}/files/`);
    expect(
      await outcome(pullModel(options(server.url, { sources: [sources[0]], target: `${folder}/x` }))),
    ).toMatchObject({
      exitCode: 2,
      code: 'no-listing',
    });
  });
});

describe('a connection that crawls', () => {
  it('is given up when its siblings are much faster', async () => {
    const big = randomBody(64 * PIECE_BYTES);
    let crawling = 0;
    await using server = await startFaultServer({
      [NAME]: {
        body: big,
        fault: (r) => {
          r.response.writeHead(206, { 'content-range': `bytes ${r.start}-${r.end - 1}/${big.length}` });
          if (r.count !== 1) return void r.response.end(big.subarray(r.start, r.end));
          crawling++;
          const timer = setInterval(() => (r.response.destroyed ? clearInterval(timer) : r.response.write('x')), 50);
        },
      },
    });
    const { transferFile } = await import('../../src/hub/transfer.ts');
    const { createHttpClient } = await import('../../src/hub/http.ts');
    const { httpSource } = await import('../../src/hub/sources/http.ts');
    const http = createHttpClient();
    const done = await transferFile(
      httpSource(`${server.url}/files/${NAME}`, http),
      { path: NAME, sizeBytes: big.length, sha256: sha256(big) },
      folder,
      {
        connections: CONNECTIONS,
        pieceBytes: PIECE_BYTES,
        stall: { idleMs: 60_000, slowAfterMs: 300, slowShare: 0.1 },
      },
    );
    await http.close();
    expect(done.sha256).toBe(sha256(big));
    expect(crawling).toBe(1);
  });
});

describe('limits', () => {
  it('--max-rate is kept to', async () => {
    await using server = await startFaultServer({ [NAME]: { body: BODY } });
    const started = performance.now();
    await pullModel(options(server.url, { maxBytesPerSecond: 4e6 }));
    const rate = BODY.length / ((performance.now() - started) / 1000);
    expect(rate).toBeLessThan(6e6);
  });

  it('an abort ends within a second, and the next run goes on', async () => {
    await using server = await startFaultServer({ [NAME]: { body: BODY, rate: 4e5 } });
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('SIGINT')), 900);
    const started = performance.now();
    await expect(pullModel(options(server.url, { signal: controller.signal }))).rejects.toThrow('SIGINT');
    expect(performance.now() - started).toBeLessThan(1900);
    await using fast = await startFaultServer({ [NAME]: { body: BODY } });
    const result = await pullModel(options(fast.url));
    expect(result.bytesTransferred).toBeLessThan(BODY.length);
    expect(result.files[0]?.sha256).toBe(sha256(BODY));
  });
});
