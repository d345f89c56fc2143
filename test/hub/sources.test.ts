import { createHash } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createHttpClient, type HttpClient } from '../../src/hub/http.ts';
import { archiveSource } from '../../src/hub/sources/archive.ts';
import { bundledSource } from '../../src/hub/sources/bundled.ts';
import { fileNameOf, httpSource } from '../../src/hub/sources/http.ts';
import { huggingFaceSource } from '../../src/hub/sources/huggingface.ts';
import { localSource } from '../../src/hub/sources/local.ts';
import { modelScopeSource } from '../../src/hub/sources/modelscope.ts';
import type { Source } from '../../src/hub/sources/source.ts';
import { sha256OfFile } from '../../src/util/files.ts';
import { writeZip } from '../util/zip-writer.ts';
import { errorOf, tree, useScratch } from './scratch.ts';
import { bytes, COMMIT, hubRoutes, redirect, startServer, status, type TestServer } from './server.ts';

const scratch = useScratch();
const CHECKPOINT = { 'config.json': '{"model_type":"gpt2"}', 'pytorch_model.bin': '0123456789', 'vocab.txt': '[PAD]' };
const zip = writeZip(Object.entries(CHECKPOINT).map(([name, data]) => ({ name: `闻仲/${name}`, data })));

async function writeCheckpoint(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, data] of Object.entries(CHECKPOINT)) await writeFile(path.join(folder, name), data);
}

async function read(source: Source, file: string, offset: number): Promise<string> {
  const { chunks, sizeBytes } = await source.open({ path: file }, offset);
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  const text = Buffer.concat(parts).toString();
  if (sizeBytes !== undefined) expect(sizeBytes).toBe(text.length);
  return text;
}

/** Every source of the same checkpoint: opened, and the number of files it lists. */
const SOURCES: Readonly<Record<string, (server: TestServer, http: HttpClient) => Promise<[Source, number]>>> = {
  folder: async () => {
    await writeCheckpoint(scratch('in/model'));
    return [await localSource(scratch('in')), 3];
  },
  'zip file': async () => {
    await writeFile(scratch('in.zip'), zip);
    return [await localSource(pathToFileURL(scratch('in.zip')).href), 3];
  },
  bundled: async () => {
    await writeFile(scratch('mini.zip'), zip);
    const spec = {
      kind: 'bundled',
      path: 'mini.zip',
      sizeBytes: zip.length,
      sha256: await sha256OfFile(scratch('mini.zip')),
    } as const;
    return [await bundledSource(spec, scratch()), 3];
  },
  'archive at a URL': async (server, http) => [
    archiveSource({ url: `${server.url}/m.zip`, scratchFolder: scratch('m.partial') }, http),
    3,
  ],
  'file at a URL': async (server, http) => [httpSource(`${server.url}/pytorch_model.bin`, http), 1],
  'hub repository': async (server, http) => [huggingFaceSource({ repo: 'a/b', endpoint: `${server.url}/` }, http), 3],
};

describe.each(Object.entries(SOURCES))('a %s', (_kind, openSource) => {
  it('lists its files and opens one at an offset', async () => {
    const files = Object.fromEntries(Object.entries(CHECKPOINT).map(([name, content]) => [name, { content }]));
    await using server = await startServer({
      ...hubRoutes('a/b', files),
      '/m.zip': bytes(zip),
      '/pytorch_model.bin': bytes(CHECKPOINT['pytorch_model.bin']),
    });
    const http = createHttpClient();
    const [source, count] = await openSource(server, http);
    try {
      const listing = await source.list();
      expect(listing.files).toHaveLength(count);
      expect(listing.files.map((file) => file.path)).toContain('pytorch_model.bin');
      expect(await read(source, 'pytorch_model.bin', 0)).toBe('0123456789');
      expect(await read(source, 'pytorch_model.bin', 6)).toBe('6789');
    } finally {
      await source.close();
      await http.close();
    }
    expect(await tree(scratch())).not.toContain('m.partial');
  });
});

describe('huggingFaceSource', () => {
  const listing = (siblings: unknown): string => JSON.stringify({ sha: COMMIT, siblings });
  const withHub = async <T>(
    route: Parameters<typeof startServer>[0],
    work: (endpoint: string, http: HttpClient) => Promise<T>,
  ): Promise<T> => {
    await using server = await startServer(route);
    const http = createHttpClient();
    try {
      return await work(server.url, http);
    } finally {
      await http.close();
    }
  };

  it('gives the commit, sha256 of files in Git LFS and blob ids of the others', async () => {
    const files = { 'config.json': { content: '{}' }, 'a b/模型.bin': { content: 'weights', lfs: true } };
    await withHub(hubRoutes('a/b', files, 'refs/pr/2'), async (endpoint, http) => {
      const source = huggingFaceSource({ repo: 'a/b', revision: 'refs/pr/2', endpoint }, http);
      const { revision, files: listed } = await source.list();
      expect(revision).toBe(COMMIT);
      expect(listed).toEqual([
        { path: 'config.json', sizeBytes: 2, gitSha1: '9e26dfeeb6e641a33dae4961196235bdb965b21b' },
        { path: 'a b/模型.bin', sizeBytes: 7, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      ]);
      expect(await read(source, 'a b/模型.bin', 0)).toBe('weights');
    });
  });

  it('follows a renamed repository', async () => {
    const files = { 'config.json': { content: '{}' } };
    const routes = {
      ...hubRoutes('new/name', files),
      '/api/models/old/name/revision/main': redirect('/api/models/new/name/revision/main?blobs=true', 307),
    };
    await withHub(routes, async (endpoint, http) => {
      expect((await huggingFaceSource({ repo: 'old/name', endpoint }, http).list()).files).toHaveLength(1);
    });
  });

  it.each([
    ['a path that leaves the folder', listing([{ rfilename: '../../.bashrc' }]), 'unsafe-path', 6],
    ['a listing without a commit', JSON.stringify({ siblings: [] }), 'malformed-document', 6],
    ['a negative size', listing([{ rfilename: 'a', size: -1 }]), 'malformed-document', 6],
    ['a login page', '<html>Please log in</html>', 'unexpected-answer', 4],
  ])('refuses %s', async (_what, body, code, exitCode) => {
    await withHub({ '/api/models/a/b/revision/main': status(200, {}, body) }, async (endpoint, http) => {
      const error = await errorOf(huggingFaceSource({ repo: 'a/b', endpoint }, http).list());
      expect(error).toMatchObject({ code, exitCode });
    });
  });

  it('refuses another commit than the pinned one', async () => {
    const pinned = 'f'.repeat(40);
    await withHub(hubRoutes('a/b', {}, pinned), async (endpoint, http) => {
      const error = await errorOf(huggingFaceSource({ repo: 'a/b', revision: pinned, endpoint }, http).list());
      expect(error).toMatchObject({ code: 'revision-mismatch', exitCode: 6 });
    });
  });

  describe('headers of a file', () => {
    const WEIGHTS = 'weights';
    const SHA256 = createHash('sha256').update(WEIGHTS).digest('hex');
    const BLOB = 'b'.repeat(40);
    const bare = [
      { rfilename: 'pytorch_model.bin' },
      { rfilename: 'config.json', size: 2 },
      { rfilename: 'empty', size: 0 },
    ];
    /** A hub whose own answer has the headers, and redirects to where the bytes are. */
    const hub = (headers: Record<string, string>, siblings: unknown = bare) => ({
      '/api/models/a/b/revision/main': status(200, {}, listing(siblings)),
      [`/a/b/resolve/${COMMIT}/pytorch_model.bin`]: status(302, { location: '/cdn/weights', ...headers }),
      [`/a/b/resolve/${COMMIT}/config.json`]: status(302, {
        location: '/cdn/config',
        'x-repo-commit': COMMIT,
        etag: `"${BLOB}"`,
      }),
      '/cdn/weights': bytes(WEIGHTS, `"${'e'.repeat(64)}"`),
      '/cdn/config': bytes('{}'),
    });

    it('give the hash and size that a listing left out', async () => {
      const headers = { 'x-repo-commit': COMMIT, 'x-linked-etag': `"${SHA256}"`, 'x-linked-size': '7' };
      await withHub(hub(headers), async (endpoint, http) => {
        const { files } = await huggingFaceSource({ repo: 'a/b', endpoint }, http).list();
        expect(files).toEqual([
          { path: 'pytorch_model.bin', sizeBytes: 7, sha256: SHA256 },
          { path: 'config.json', sizeBytes: 2, gitSha1: BLOB },
          { path: 'empty', sizeBytes: 0 },
        ]);
      });
    });

    it('that cannot be had are no obstacle to the listing', async () => {
      await withHub(hub({}, [{ rfilename: 'gone.bin' }]), async (endpoint, http) => {
        const { files } = await huggingFaceSource({ repo: 'a/b', endpoint }, http).list();
        expect(files).toEqual([{ path: 'gone.bin' }]);
      });
    });

    it('of a server that says nothing change nothing; an ETag of its own is no hash', async () => {
      await withHub(hub({ etag: `"${SHA256}"` }, bare.slice(0, 1)), async (endpoint, http) => {
        const { files } = await huggingFaceSource({ repo: 'a/b', endpoint }, http).list();
        expect(files).toEqual([{ path: 'pytorch_model.bin' }]);
      });
    });

    it.each([
      ['commit', { 'x-repo-commit': 'd'.repeat(40) }, 'revision-mismatch'],
      ['sha256', { 'x-linked-etag': `"${'d'.repeat(64)}"` }, 'hash-mismatch'],
      ['size', { 'x-linked-size': '8' }, 'size-mismatch'],
    ])('that contradict the listing end the download before it begins: %s', async (_what, headers, code) => {
      const siblings = [{ rfilename: 'pytorch_model.bin', size: 7, lfs: { sha256: SHA256, size: 7 } }];
      await withHub(hub(headers, siblings), async (endpoint, http) => {
        const source = huggingFaceSource({ repo: 'a/b', endpoint }, http);
        const [file] = (await source.list()).files;
        expect(await errorOf(source.open(file!, 0))).toMatchObject({ code, exitCode: 6 });
        expect(await errorOf(source.openRange!(file!, { start: 0, end: 3 }, {}))).toMatchObject({ code });
      });
    });
  });

  it.each(['a/b/c', '../b', 'a b', ''])('refuses %j as a repository', (repo) => {
    expect(() => huggingFaceSource({ repo }, createHttpClient())).toThrow(/expected a repository like/);
  });
});

describe('modelScopeSource', () => {
  const base = '/api/v1/models/Fengshenbang/x';
  const HASH = 'ab'.repeat(32);
  const listingOf = (files: unknown, more: object = {}): string =>
    JSON.stringify({ Code: 200, Success: true, Data: { Files: files }, ...more });
  const blob = (Path: string, more: object = {}) => ({
    Path,
    Type: 'blob',
    Size: 7,
    Sha256: HASH.toUpperCase(),
    ...more,
  });
  const open = (options: Partial<Parameters<typeof modelScopeSource>[0]>, http: HttpClient) =>
    modelScopeSource({ repo: 'Fengshenbang/x', ...options }, http);

  it.each([
    [undefined, 'master'],
    ['v1.0', 'v1.0'],
  ])('revision %s: lists every file with its sha256 and reads it at %s', async (revision, asked) => {
    const files = [blob('模型 1.bin'), blob('d', { Type: 'tree' }), blob('config.json', { Sha256: null, Size: null })];
    await using server = await startServer({
      [`${base}/repo/files`]: status(200, {}, listingOf(files)),
      [`${base}/repo`]: bytes('weights'),
    });
    const http = createHttpClient();
    const source = open({ revision, endpoint: `${server.url}/` }, http);
    expect(await source.list()).toEqual({
      revision: undefined,
      files: [{ path: '模型 1.bin', sizeBytes: 7, sha256: HASH }, { path: 'config.json' }],
    });
    expect(await read(source, '模型 1.bin', 3)).toBe('ghts');
    await http.close();
    const queries = server.requests.map((request) => new URL(request.split(' ')[0]!, server.url).searchParams);
    expect(queries.map((query) => query.get('Revision'))).toEqual([asked, asked]);
    expect(queries[1]?.get('FilePath')).toBe('模型 1.bin');
  });

  it.each([
    [
      'a repository that is not there',
      listingOf(null, { Success: false, Message: 'not found' }),
      'repository-not-found',
      3,
    ],
    ['a path that leaves the folder', listingOf([blob('../../.bashrc')]), 'unsafe-path', 6],
    ['a hash that is none', listingOf([blob('a', { Sha256: 'x' })]), 'malformed-document', 6],
    ['a login page', '<html>Please log in</html>', 'unexpected-answer', 4],
  ])('refuses %s', async (_what, body, code, exitCode) => {
    await using server = await startServer({ [`${base}/repo/files`]: status(200, {}, body) });
    const http = createHttpClient();
    expect(await errorOf(open({ endpoint: server.url }, http).list())).toMatchObject({ code, exitCode });
    await http.close();
  });

  it('has no commits: one that is asked for is Hugging Face’s, and its main is ModelScope’s master', async () => {
    await using server = await startServer({ [`${base}/repo/files`]: status(200, {}, listingOf([blob('a.bin')])) });
    const { openSource } = await import('../../src/hub/choose-source.ts');
    const http = createHttpClient();
    const context = { http, modelScopeEndpoint: server.url } as Parameters<typeof openSource>[1];
    for (const revision of ['main', 'f'.repeat(40), 'v2'])
      await (await openSource({ kind: 'modelscope', repo: 'Fengshenbang/x' }, { ...context, revision })).list();
    await http.close();
    expect(server.requests.map((request) => /Revision=(\w+)/.exec(request)?.[1])).toEqual(['master', 'master', 'v2']);
  });
});

describe('localSource', () => {
  it('names what is not there, and what is no checkpoint', async () => {
    expect(await errorOf(localSource(scratch('none')))).toMatchObject({ code: 'file-not-found', exitCode: 3 });
    await mkdir(scratch('empty'));
    expect(await errorOf(localSource(scratch('empty')))).toMatchObject({ code: 'no-checkpoint', exitCode: 6 });
    await writeFile(scratch('text.zip'), 'no zip at all, but long enough to have room for an end record');
    expect(await errorOf(localSource(scratch('text.zip')))).toMatchObject({ code: 'corrupt-archive', exitCode: 6 });
  });

  it('follows links to files, as the cache of the hub has them, and leaves out links to folders', async () => {
    await writeCheckpoint(scratch('blobs'));
    await mkdir(scratch('snapshot'));
    for (const name of Object.keys(CHECKPOINT)) await symlink(scratch('blobs', name), scratch('snapshot', name));
    await symlink(scratch(), scratch('snapshot/loop'));
    const { files, leftOut } = await (await localSource(scratch('snapshot'))).list();
    expect(files.map((file) => [file.path, file.sizeBytes])).toEqual(
      Object.entries(CHECKPOINT).map(([name, text]) => [name, text.length]),
    );
    expect(leftOut).toEqual(['loop']);
  });

  it('leaves out .git and refuses a Git LFS pointer in place of weights', async () => {
    await writeCheckpoint(scratch('clone'));
    await mkdir(scratch('clone/.git/lfs'), { recursive: true });
    await writeFile(scratch('clone/.git/lfs/object.bin'), 'x');
    const source = await localSource(scratch('clone'));
    expect((await source.list()).files).toHaveLength(3);
    await writeFile(
      scratch('clone/pytorch_model.bin'),
      'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n',
    );
    const error = await errorOf(localSource(scratch('clone')).then((pointer) => pointer.list()));
    expect(error).toMatchObject({ code: 'lfs-pointer', exitCode: 6 });
    expect(error.hint).toContain('git lfs pull');
  });
});

describe('bundledSource', () => {
  it('compares the zip with the registry before opening it', async () => {
    await writeFile(scratch('m.zip'), zip);
    const spec = { kind: 'bundled', path: 'm.zip', sizeBytes: zip.length, sha256: 'a'.repeat(64) } as const;
    expect(await errorOf(bundledSource(spec, scratch()))).toMatchObject({ code: 'hash-mismatch', exitCode: 6 });
    expect(await errorOf(bundledSource({ ...spec, path: 'none.zip' }, scratch()))).toMatchObject({
      code: 'bundled-file-missing',
      exitCode: 3,
    });
    expect(await errorOf(bundledSource({ ...spec, path: '../m.zip' }, scratch()))).toMatchObject({
      code: 'unsafe-path',
      exitCode: 6,
    });
  });
});

describe('fileNameOf', () => {
  it('decodes the last segment and refuses URLs without one', () => {
    expect(fileNameOf('https://h/a/%E9%97%BB%E4%BB%B2-3.5B.zip?Signature=1')).toBe('闻仲-3.5B.zip');
    expect(() => fileNameOf('https://h/')).toThrow(/ends in a file name/);
    expect(() => fileNameOf('https://h/..%2F..%2Fx')).toThrow(/ends in a file name/);
  });
});
