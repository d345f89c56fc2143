import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { type PullEvent, type PullOptions, planPull, pullModel } from '../../src/hub/pull.ts';
import { readRecord } from '../../src/hub/record.ts';
import { verifyCheckpoint } from '../../src/hub/verify.ts';
import { sha256OfFile } from '../../src/util/files.ts';
import { SYMLINK, writeZip } from '../util/zip-writer.ts';
import { errorOf, tree, useScratch } from './scratch.ts';
import {
  bytes,
  COMMIT,
  type Handler,
  type HubFile,
  hubRoutes,
  redirect,
  stalled,
  startServer,
  status,
  type TestServer,
  truncated,
} from './server.ts';

const scratch = useScratch();
const SECRET = 'hf_SecretSecretSecret';
const REPO = 'IDEA-CCNL/Wenzhong-GPT2-110M';
const RECORD = '.fsb-checkpoint.json';
const FILES: Readonly<Record<string, HubFile>> = {
  'README.md': { content: '# 闻仲' },
  'config.json': { content: '{"model_type":"gpt2"}' },
  'pytorch_model.bin': { content: 'weights'.repeat(1000), lfs: true },
  'tf_model.h5': { content: 'other weights', lfs: true },
  'vocab.json': { content: '{}' },
};
const WEIGHTS_URL = `/${REPO}/resolve/${COMMIT}/pytorch_model.bin`;
const zip = writeZip(
  ['config.json', 'pytorch_model.bin', 'vocab.json'].map((name) => ({
    name: `闻仲/${name}`,
    data: FILES[name]!.content,
  })),
);
const future = 4102444800; // 2100-01-01

const hubPull = (server: Pick<TestServer, 'url'>, more: Partial<PullOptions> = {}): PullOptions => ({
  name: 'wenzhong-110m',
  sources: [{ kind: 'huggingface', repo: REPO }],
  target: scratch('out'),
  huggingFaceEndpoint: server.url,
  huggingFaceToken: SECRET,
  timeouts: { idleTimeoutMs: 300 },
  retry: { attempts: 2, baseMs: 5 },
  ...more,
});

describe('pulling from a hub', () => {
  it('fetches the checkpoint’s files, compares their hashes and records them', async () => {
    await using server = await startServer(hubRoutes(REPO, FILES));
    const events: PullEvent[] = [];
    const result = await pullModel(hubPull(server, { onEvent: (event) => events.push(event) }));
    expect(result).toMatchObject({
      name: 'wenzhong-110m',
      revision: COMMIT,
      path: scratch('out'),
      bytesTransferred: 7023,
    });
    expect(result.seconds).toBeGreaterThan(0);
    expect(result.files.map((file) => [file.path, file.sizeBytes, file.source])).toEqual([
      ['config.json', 21, `huggingface:${REPO}`],
      ['pytorch_model.bin', 7000, `huggingface:${REPO}`],
      ['vocab.json', 2, `huggingface:${REPO}`],
    ]);
    expect(result.files[1]?.sha256).toBe(
      createHash('sha256').update(FILES['pytorch_model.bin']!.content).digest('hex'),
    );
    expect(await tree(scratch())).toEqual([
      'out',
      `out/${RECORD}`,
      'out/config.json',
      'out/pytorch_model.bin',
      'out/vocab.json',
    ]);
    expect(await verifyCheckpoint(scratch('out'))).toMatchObject({ ok: true, revision: COMMIT });
    expect(await readFile(scratch('out', RECORD), 'utf8')).not.toContain(SECRET);
    expect(events.filter((event) => event.type !== 'progress').map((event) => event.type)).toEqual([
      'source',
      'files',
      'file',
      'file',
      'file',
    ]);
    expect(events.find((event) => event.type === 'files')).toMatchObject({ revision: COMMIT, totalBytes: 7023 });
  });

  it('takes what is there already without asking anyone, and fetches again when told to or when a file is gone', async () => {
    await using server = await startServer(hubRoutes(REPO, FILES));
    await pullModel(hubPull(server));
    const asked = server.requests.length;
    expect(await pullModel(hubPull(server, { offline: true }))).toMatchObject({
      bytesTransferred: 0,
      revision: COMMIT,
    });
    expect(await pullModel(hubPull(server, { revision: COMMIT }))).toMatchObject({ bytesTransferred: 0 });
    expect(server.requests).toHaveLength(asked);
    expect(await pullModel(hubPull(server, { force: true }))).toMatchObject({ bytesTransferred: 7023 });
    await rm(scratch('out/vocab.json'));
    expect(await pullModel(hubPull(server))).toMatchObject({ bytesTransferred: 7023 });
    await writeFile(scratch('out', RECORD), '{ damaged');
    expect(await pullModel(hubPull(server))).toMatchObject({ bytesTransferred: 7023 });
  });

  it('does not take a part for the whole: another selection or revision is fetched', async () => {
    await using server = await startServer({ ...hubRoutes(REPO, FILES), ...hubRoutes(REPO, FILES, 'v2') });
    const part = await pullModel(hubPull(server, { include: ['*.json'] }));
    expect(part.files.map((file) => file.path)).toEqual(['config.json', 'vocab.json']);
    expect((await pullModel(hubPull(server))).files).toHaveLength(3);
    expect((await pullModel(hubPull(server, { exclude: ['vocab.*'] }))).files).toHaveLength(2);
    expect((await pullModel(hubPull(server, { revision: 'v2' }))).bytesTransferred).toBe(7023);
    expect(await readRecord(scratch('out'))).toMatchObject({ requestedRevision: 'v2', revision: COMMIT });
  });

  it('puts a revision into its own folder when the target depends on it', async () => {
    await using server = await startServer(hubRoutes(REPO, FILES));
    const target = (revision: string | undefined): string => scratch(revision ?? 'local');
    expect((await pullModel(hubPull(server, { target }))).path).toBe(scratch(COMMIT));
    const asked = server.requests.length;
    expect(await pullModel(hubPull(server, { target }))).toMatchObject({ bytesTransferred: 0, path: scratch(COMMIT) });
    expect(server.requests).toHaveLength(asked + 1); // only what "main" is
    expect(await pullModel(hubPull(server, { target, revision: COMMIT, offline: true }))).toMatchObject({
      bytesTransferred: 0,
    });
  });

  it('takes offline what the same request has brought before, the newest of it, and names what is missing', async () => {
    const target = (revision: string | undefined): string => scratch(revision ?? 'local');
    const offline = (more: Partial<PullOptions> = {}) =>
      pullModel(hubPull({ url: 'http://127.0.0.1:9' }, { target, offline: true, ...more }));
    expect(await errorOf(offline())).toMatchObject({ code: 'offline', facts: { missing: [`huggingface:${REPO}`] } });
    await using server = await startServer(hubRoutes(REPO, FILES));
    await pullModel(hubPull(server, { target }));
    expect(await offline()).toMatchObject({ bytesTransferred: 0, path: scratch(COMMIT), revision: COMMIT });
    for (const other of [{ revision: 'v2' }, { exclude: ['vocab.*'] }, { force: true }])
      expect(await errorOf(offline(other))).toMatchObject({ code: 'offline' });
    await rm(scratch(COMMIT, 'vocab.json'));
    expect(await errorOf(offline())).toMatchObject({ code: 'offline' });
  });

  const index = (...shards: string[]): string =>
    JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(shards.map((shard, at) => [`t${at}`, shard])) });
  const SHARDS = ['pytorch_model-00001-of-00002.bin', 'pytorch_model-00002-of-00002.bin'] as const;
  const sharded = {
    'config.json': FILES['config.json']!,
    'pytorch_model.bin.index.json': { content: index(...SHARDS, SHARDS[0]) },
    [SHARDS[0]]: { content: 'one', lfs: true },
  };

  it('names the shards that a repository lacks before it fetches those it has', async () => {
    await using server = await startServer(hubRoutes(REPO, sharded));
    const error = await errorOf(pullModel(hubPull(server)));
    expect(error).toMatchObject({ code: 'shards-missing', exitCode: 3, facts: { missing: [SHARDS[1]] } });
    expect(error.message).toContain(`lists 2 files of weights, missing ${SHARDS[1]}`);
    expect(server.requests.some((request) => request.includes(SHARDS[0]))).toBe(false);
    expect(await readdir(scratch())).not.toContain('out');
    // whoever asks for a part gets it
    const part = await pullModel(hubPull(server, { include: ['*.json', '*.bin'] }));
    expect(part.files.map((file) => file.path)).toEqual(Object.keys(sharded));
  });

  it('takes a checkpoint in several files whole', async () => {
    const files = { ...sharded, [SHARDS[1]]: { content: 'two', lfs: true } };
    await using server = await startServer(hubRoutes(REPO, files));
    expect((await pullModel(hubPull(server))).files.map((file) => file.path)).toEqual(Object.keys(files));
  });

  it.each([
    ['no JSON', 'nonsense', 'malformed-json'],
    ['another document', '{"weight_map": 7}', 'malformed-document'],
  ])('refuses an index that is %s', async (_what, content, code) => {
    const files = { ...sharded, 'pytorch_model.bin.index.json': { content } };
    await using server = await startServer(hubRoutes(REPO, files));
    expect(await errorOf(pullModel(hubPull(server)))).toMatchObject({ code, exitCode: 6 });
  });

  it('holds files of a commit whose hash nobody gives to what they were the first time', async () => {
    let weights = 'weights';
    const siblings = [{ rfilename: 'pytorch_model.bin', size: 7 }];
    const listing = (sha: string) => status(200, {}, JSON.stringify({ id: REPO, sha, siblings }));
    const routes: Record<string, Handler> = {
      [`/api/models/${REPO}/revision/main`]: listing(COMMIT),
      [WEIGHTS_URL]: (request, response) => bytes(weights)(request, response),
    };
    await using server = await startServer(routes);
    const firstUseFile = scratch('first-use.json');
    const pull = () => pullModel(hubPull(server, { firstUseFile, force: true }));
    await pull();
    weights = 'Weights';
    expect(await errorOf(pull())).toMatchObject({ code: 'changed-since-first-use', exitCode: 6 });
    expect(await readFile(scratch('out/pytorch_model.bin'), 'utf8')).toBe('weights');
    // another commit may have others
    const next = 'e'.repeat(40);
    routes[`/api/models/${REPO}/revision/main`] = listing(next);
    routes[`/${REPO}/resolve/${next}/pytorch_model.bin`] = bytes(weights);
    await pull();
    expect(await readFile(scratch('out/pytorch_model.bin'), 'utf8')).toBe('Weights');
  });

  it('keeps the token from the host that a file is redirected to', async () => {
    await using cdn = await startServer({ '/blob': bytes(FILES['pytorch_model.bin']!.content) });
    await using server = await startServer({
      ...hubRoutes(REPO, FILES),
      [WEIGHTS_URL]: redirect(`${cdn.url}/blob?Signature=x`),
    });
    await pullModel(hubPull(server));
    expect(server.requests.every((request) => request.endsWith(`Bearer ${SECRET}`))).toBe(true);
    expect(cdn.requests).toEqual(['/blob?Signature=x -']);
  });

  const faults: [string, Record<string, Handler>, string, number][] = [
    [
      'the repository is missing',
      { [`/api/models/${REPO}/revision/main`]: status(401, { 'x-error-code': 'RepoNotFound' }) },
      'repository-not-found',
      3,
    ],
    ['the repository is gated', { [WEIGHTS_URL]: status(403, { 'x-error-code': 'GatedRepo' }) }, 'gated-repository', 5],
    ['a file needs a token', { [WEIGHTS_URL]: status(401) }, 'unauthorized', 5],
    ['a file is missing', { [WEIGHTS_URL]: status(404) }, 'url-not-found', 3],
    ['a file is gone', { [WEIGHTS_URL]: status(410) }, 'expired-url', 5],
    ['the server fails', { [WEIGHTS_URL]: status(502) }, 'server-error', 4],
    ['a file breaks off', { [WEIGHTS_URL]: truncated('weights', 7000) }, 'connection-failed', 4],
    ['a file stalls', { [WEIGHTS_URL]: stalled('weights', 7000) }, 'connection-failed', 4],
    ['a file is shorter than listed', { [WEIGHTS_URL]: bytes('weights') }, 'size-mismatch', 6],
    ['a file has other bytes', { [WEIGHTS_URL]: bytes('Weights'.repeat(1000)) }, 'hash-mismatch', 6],
    ['there are no weights', hubRoutes(REPO, { 'config.json': FILES['config.json']! }), 'no-weights', 3],
    [
      'a small file has other bytes',
      hubRoutes(REPO, { ...FILES, 'config.json': { content: '{}', hash: 'a'.repeat(40) } }),
      'hash-mismatch',
      6,
    ],
  ];

  it.each(faults)('%s: an error, and no checkpoint', async (_fault, routes, code, exitCode) => {
    await using server = await startServer({ ...hubRoutes(REPO, FILES), ...routes });
    const error = await errorOf(pullModel(hubPull(server)));
    expect(error).toMatchObject({ code, exitCode });
    expect(JSON.stringify([error.message, error.hint, error.facts, error.stack])).not.toContain(SECRET);
    expect((await tree(scratch())).filter((name) => !name.startsWith('out.partial'))).toEqual([]);
  });

  it('keeps the former checkpoint when a new pull fails', async () => {
    const routes = { ...hubRoutes(REPO, FILES) };
    await using server = await startServer(routes);
    await pullModel(hubPull(server));
    routes[WEIGHTS_URL] = status(500);
    expect(await errorOf(pullModel(hubPull(server, { force: true })))).toMatchObject({ code: 'server-error' });
    expect(await verifyCheckpoint(scratch('out'))).toMatchObject({ ok: true });
    expect(await readdir(scratch())).toEqual(['out', 'out.partial']);
  });

  it('ends at once on an abort, with its reason', async () => {
    await using server = await startServer({ ...hubRoutes(REPO, FILES), [WEIGHTS_URL]: stalled('weights', 7000) });
    const controller = new AbortController();
    const reason = new Error('SIGINT');
    const onEvent = (event: PullEvent): void => {
      if (event.type === 'progress' && event.path === 'pytorch_model.bin') controller.abort(reason);
    };
    const timeouts = { idleTimeoutMs: 60_000 };
    const started = Date.now();
    await expect(pullModel(hubPull(server, { signal: controller.signal, onEvent, timeouts }))).rejects.toBe(reason);
    expect(Date.now() - started).toBeLessThan(1000);
    expect(await readdir(scratch())).not.toContain('out');
  });

  it('names what is missing when offline', async () => {
    await using server = await startServer(hubRoutes(REPO, FILES));
    const error = await errorOf(pullModel(hubPull(server, { offline: true })));
    expect(error).toMatchObject({ code: 'offline', exitCode: 4, facts: { missing: [`huggingface:${REPO}`] } });
    expect(server.requests).toEqual([]);
  });

  it('never replaces a folder it did not make', async () => {
    await mkdir(scratch('out'));
    await writeFile(scratch('out/thesis.txt'), 'x');
    await using server = await startServer(hubRoutes(REPO, FILES));
    expect(await errorOf(pullModel(hubPull(server)))).toMatchObject({ code: 'target-exists', exitCode: 2 });
    expect(await tree(scratch('out'))).toEqual(['thesis.txt']);
  });

  it('plans without fetching', async () => {
    await using server = await startServer(hubRoutes(REPO, FILES));
    const plan = await planPull(hubPull(server));
    expect(plan).toMatchObject({ revision: COMMIT, source: `huggingface:${REPO}`, totalBytes: 7023 });
    expect(plan.files.map((file) => file.path)).toEqual(['config.json', 'pytorch_model.bin', 'vocab.json']);
    expect(server.requests).toHaveLength(1);
    expect(await tree(scratch())).toEqual([]);
  });
});

describe('pulling from other places', () => {
  const pull = (sources: PullOptions['sources'], more: Partial<PullOptions> = {}) =>
    pullModel({ name: 'm', sources, target: scratch('out'), retry: { attempts: 2, baseMs: 5 }, ...more });

  it('a zip in the package', async () => {
    await writeFile(scratch('m.zip'), zip);
    const spec = {
      kind: 'bundled',
      path: 'm.zip',
      sizeBytes: zip.length,
      sha256: await sha256OfFile(scratch('m.zip')),
    } as const;
    const result = await pull([spec], { bundledRoot: scratch(), offline: true });
    expect(result).toMatchObject({ revision: null, bytesTransferred: 7023 });
    expect(result.files[0]?.source).toBe('bundled:m.zip');
  });

  it('a zip and a folder on this machine', async () => {
    await writeFile(scratch('m.zip'), zip);
    expect((await pull([{ kind: 'local', path: scratch('m.zip') }])).files).toHaveLength(3);
    expect((await pull([{ kind: 'local', path: scratch('out') }], { target: scratch('copy') })).files).toHaveLength(3);
    expect(await verifyCheckpoint(scratch('copy'))).toMatchObject({ ok: true });
  });

  it('a zip at a signed URL, whose secrets are never written down', async () => {
    await using server = await startServer({ '/m.zip': bytes(zip) });
    const events: PullEvent[] = [];
    const url = `${server.url}/m.zip?AccessKeyId=AKIA&Expires=${future}&Signature=s3cr3t`;
    const result = await pull([{ kind: 'archive', url, format: 'zip' }], { onEvent: (event) => events.push(event) });
    expect(result.files.map((file) => file.path)).toEqual(['config.json', 'pytorch_model.bin', 'vocab.json']);
    expect(await tree(scratch('out'))).not.toContain('m.zip');
    expect(JSON.stringify([events, result, await readFile(scratch('out', RECORD), 'utf8')])).not.toMatch(/s3cr3t|AKIA/);
    expect(await readdir(scratch())).toEqual(['out']);
  });

  it('one file at a URL', async () => {
    await using server = await startServer({ '/x/pytorch_model.bin': bytes('weights') });
    const result = await pull([{ kind: 'http', url: `${server.url}/x/pytorch_model.bin` }]);
    expect(result.files).toMatchObject([{ path: 'pytorch_model.bin', sizeBytes: 7 }]);
  });

  it('plans an archive by its directory, or as the one file it is where the server knows no ranges', async () => {
    await using server = await startServer({ '/m.zip': bytes(zip), '/whole.zip': status(200, {}, 'PK') });
    const plan = (file: string) =>
      planPull({
        name: 'm',
        sources: [{ kind: 'archive', url: `${server.url}/${file}` }],
        target: scratch('out'),
      });
    expect((await plan('m.zip')).files.map((file) => file.path)).toEqual([
      'config.json',
      'pytorch_model.bin',
      'vocab.json',
    ]);
    expect((await plan('whole.zip')).files).toEqual([{ path: 'whole.zip', heldBytes: 0 }]);
  });

  const evil = writeZip([
    { name: 'config.json', data: '{}' },
    { name: 'l', data: '/etc', externalAttributes: SYMLINK },
  ]);
  const faults: [string, Handler, string, string, number][] = [
    ['is truncated', bytes(zip.subarray(0, zip.length - 30)), '', 'corrupt-archive', 6],
    ['breaks off', truncated('PK', 3000), '', 'connection-failed', 4],
    ['is a web page', bytes('<html>'), '', 'corrupt-archive', 6],
    ['is unsafe', bytes(evil), '', 'unsafe-archive', 6],
    ['is no longer there', status(404), '', 'url-not-found', 3],
    ['expired, as the server says', status(403, {}, '<Message>Request has expired</Message>'), '', 'expired-url', 5],
    ['expired, as the link says', status(500), '?Expires=1668211200', 'expired-url', 5],
  ];

  it.each(faults)(
    'a zip at a URL that %s: an error, and nothing on the disk',
    async (_fault, handler, query, code, exitCode) => {
      await using server = await startServer({ '/m.zip': handler });
      const error = await errorOf(pull([{ kind: 'archive', url: `${server.url}/m.zip${query}` }]));
      expect(error).toMatchObject({ code, exitCode });
      expect(await tree(scratch())).toEqual([]);
      if (query) expect(server.requests).toEqual([]);
    },
  );

  it('passes over what cannot work and says so', async () => {
    await writeFile(scratch('m.zip'), zip);
    const events: PullEvent[] = [];
    const expired = { kind: 'archive', url: 'https://obs.example/m.zip', expired: '2022-11-12' } as const;
    await pull([expired, { kind: 'local', path: scratch('m.zip') }], { onEvent: (event) => events.push(event) });
    expect(events[0]).toMatchObject({ type: 'passed-over', reason: expect.stringMatching(/expired on 2022-11-12/) });
  });
});
