import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { adoptCachedFile } from '../../src/hub/cached-files.ts';
import { pullModel } from '../../src/hub/pull.ts';
import { errorOf, useScratch } from './scratch.ts';
import { COMMIT, hubRoutes, startServer, status } from './server.ts';

const scratch = useScratch();
const REPO = 'IDEA-CCNL/Wenzhong-GPT2-110M';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const WEIGHTS = 'weights'.repeat(1000);
const FILE = { path: 'pytorch_model.bin', sizeBytes: WEIGHTS.length, sha256: sha256(WEIGHTS) };
const repos = { huggingFace: [REPO], modelScope: ['Fengshenbang/Wenzhong.110M'] };

async function write(text: string, ...segments: string[]): Promise<void> {
  await mkdir(path.dirname(scratch(...segments)), { recursive: true });
  await writeFile(scratch(...segments), text);
}

/** A folder on another disk than the tests' own: they can be linked on none, cloned on none. */
const otherDisk = ['/dev/shm'].find((folder) => {
  const [here, there] = [os.tmpdir(), folder].map((name) => statSync(name, { throwIfNoEntry: false })?.dev);
  return there !== undefined && here !== there;
});

const adopt = () =>
  adoptCachedFile(FILE, scratch('out'), { huggingFace: scratch('hf'), modelScope: scratch('ms') }, repos);

describe('adoptCachedFile', () => {
  it.each([
    ['a blob of the repository', ['hf', 'models--IDEA-CCNL--Wenzhong-GPT2-110M', 'blobs', FILE.sha256]],
    ['the blob of another repository', ['hf', 'models--someone--copy', 'blobs', FILE.sha256]],
    [
      'a snapshot without links, as on Windows',
      ['hf', 'models--IDEA-CCNL--Wenzhong-GPT2-110M', 'snapshots', COMMIT, FILE.path],
    ],
    ['ModelScope’s folder', ['ms', 'models', 'Fengshenbang', 'Wenzhong___110M', FILE.path]],
    ['ModelScope’s older folder', ['ms', 'hub', 'Fengshenbang', 'Wenzhong___110M', FILE.path]],
    ['ModelScope’s snapshots', ['ms', 'Fengshenbang--Wenzhong.110M', 'snapshots', 'master', FILE.path]],
  ])('takes %s', async (_what, segments) => {
    await write(WEIGHTS, ...segments);
    expect(await adopt()).toMatchObject({
      path: FILE.path,
      sha256: FILE.sha256,
      source: expect.stringMatching(/^cache:/),
    });
    expect(await readFile(scratch('out', FILE.path), 'utf8')).toBe(WEIGHTS);
    expect(await readFile(scratch(...segments), 'utf8')).toBe(WEIGHTS);
  });

  const linked: [what: string, link: string, target: string][] = [
    [
      'of a snapshot',
      `hf/models--IDEA-CCNL--Wenzhong-GPT2-110M/snapshots/${COMMIT}/${FILE.path}`,
      'elsewhere/pytorch_model.bin',
    ],
    ['of a blob', `hf/models--x--y/blobs/${FILE.sha256}`, 'elsewhere/pytorch_model.bin'],
    ['of the repository', 'hf/models--IDEA-CCNL--Wenzhong-GPT2-110M', 'elsewhere'],
    ['of ModelScope’s file', `ms/models/Fengshenbang/Wenzhong___110M/${FILE.path}`, 'elsewhere/pytorch_model.bin'],
    ['of ModelScope’s folder', 'ms/models/Fengshenbang/Wenzhong___110M', 'elsewhere'],
    ['of the cache', 'hf', 'elsewhere'],
  ];
  it.each(linked)('follows a link %s to where the bytes are', async (_what, link, target) => {
    await write(WEIGHTS, 'elsewhere/pytorch_model.bin');
    await write(WEIGHTS, 'elsewhere/blobs', FILE.sha256);
    await write(WEIGHTS, 'elsewhere/models--x--y/blobs', FILE.sha256);
    await mkdir(path.dirname(scratch(link)), { recursive: true });
    await symlink(scratch(target), scratch(link));
    expect(await adopt()).toMatchObject({ sha256: FILE.sha256 });
    expect((await lstat(scratch('out', FILE.path))).isFile()).toBe(true);
  });

  it('passes over links that lead nowhere or in a circle', async () => {
    const blobs = scratch('hf/models--IDEA-CCNL--Wenzhong-GPT2-110M/blobs');
    await mkdir(blobs, { recursive: true });
    await symlink(scratch('nowhere'), path.join(blobs, FILE.sha256));
    expect(await adopt()).toBeUndefined();
    await rm(path.join(blobs, FILE.sha256));
    await symlink(FILE.sha256, path.join(blobs, FILE.sha256));
    expect(await adopt()).toBeUndefined();
  });

  it('takes no second room on the disk where both are on one', async () => {
    await write(WEIGHTS, 'hf/models--x--y/blobs', FILE.sha256);
    await adopt();
    const [ours, theirs] = await Promise.all([
      stat(scratch('out', FILE.path)),
      stat(scratch('hf/models--x--y/blobs', FILE.sha256)),
    ]);
    // a clone has an inode of its own, and shares its blocks where no one sees it
    if (ours.ino !== theirs.ino) expect(ours.nlink).toBe(1);
    else expect(ours.nlink).toBe(2);
  });

  it.runIf(otherDisk !== undefined)('copies from another disk', async () => {
    const hf = await mkdtemp(path.join(otherDisk!, 'fsb-cache-'));
    try {
      await mkdir(path.join(hf, 'models--x--y/blobs'), { recursive: true });
      await writeFile(path.join(hf, 'models--x--y/blobs', FILE.sha256), WEIGHTS);
      expect(await adoptCachedFile(FILE, scratch('out'), { huggingFace: hf }, repos)).toMatchObject({
        sha256: FILE.sha256,
      });
      expect(await readFile(scratch('out', FILE.path), 'utf8')).toBe(WEIGHTS);
      expect((await stat(scratch('out', FILE.path))).nlink).toBe(1);
    } finally {
      await rm(hf, { recursive: true });
    }
  });

  it('leaves what is named right and is wrong', async () => {
    const blob = ['hf', 'models--IDEA-CCNL--Wenzhong-GPT2-110M', 'blobs', FILE.sha256];
    await write('Weights'.repeat(1000), ...blob);
    expect(await adopt()).toBeUndefined();
    expect(await readFile(scratch('out', FILE.path)).catch(() => 'absent')).toBe('absent');
    expect(await readFile(scratch(...blob), 'utf8')).toBe('Weights'.repeat(1000));
  });

  it('knows nothing without a hash', async () => {
    expect(await adoptCachedFile({ path: 'x' }, scratch('out'), { huggingFace: scratch('hf') }, repos)).toBeUndefined();
  });
});

describe('pulling what another tool has', () => {
  it('asks the hub for the list and fetches the rest', async () => {
    await write(WEIGHTS, 'hf', 'models--IDEA-CCNL--Wenzhong-GPT2-110M', 'blobs', FILE.sha256);
    const files = { 'config.json': { content: '{}' }, [FILE.path]: { content: WEIGHTS, lfs: true } };
    await using server = await startServer(hubRoutes(REPO, files));
    const result = await pullModel({
      name: 'm',
      sources: [{ kind: 'huggingface', repo: REPO }],
      target: scratch('out'),
      huggingFaceEndpoint: server.url,
      caches: { huggingFace: scratch('hf') },
    });
    expect(result.bytesTransferred).toBe(2);
    expect(result.files.map((file) => file.source)).toEqual([
      `huggingface:${REPO}`,
      'cache:huggingface/models--IDEA-CCNL--Wenzhong-GPT2-110M',
    ]);
  });

  it('never writes to the cache, not even when the next run wants other bytes under the same name', async () => {
    const blob = ['hf/models--IDEA-CCNL--Wenzhong-GPT2-110M/blobs', FILE.sha256];
    await write(WEIGHTS, ...blob);
    const pull = (url: string) =>
      pullModel({
        name: 'm',
        sources: [{ kind: 'huggingface', repo: REPO }],
        target: scratch('out'),
        huggingFaceEndpoint: url,
        caches: { huggingFace: scratch('hf') },
        retry: { attempts: 1 },
      });
    const files = { 'config.json': { content: '{}' }, [FILE.path]: { content: WEIGHTS, lfs: true } };
    const refuse = status(500);
    await using failing = await startServer({
      ...hubRoutes(REPO, files),
      [`/${REPO}/resolve/${COMMIT}/config.json`]: (request, response) =>
        void setTimeout(() => refuse(request, response), 300),
    });
    await errorOf(pull(failing.url));
    expect((await stat(scratch('out.partial/files', FILE.path))).size).toBe(WEIGHTS.length);
    const newer = 'newer weights';
    await using server = await startServer(hubRoutes(REPO, { ...files, [FILE.path]: { content: newer, lfs: true } }));
    await pull(server.url);
    expect(await readFile(scratch('out', FILE.path), 'utf8')).toBe(newer);
    expect(await readFile(scratch(...blob), 'utf8')).toBe(WEIGHTS);
  });
});
