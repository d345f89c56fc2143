import { createHash } from 'node:crypto';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { adoptCachedFile } from '../../src/hub/cached-files.ts';
import { pullModel } from '../../src/hub/pull.ts';
import { useScratch } from './scratch.ts';
import { COMMIT, hubRoutes, startServer } from './server.ts';

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

  it('follows links to where the bytes are', async () => {
    await write(WEIGHTS, 'elsewhere');
    const snapshot = scratch('hf/models--IDEA-CCNL--Wenzhong-GPT2-110M/snapshots', COMMIT);
    await mkdir(snapshot, { recursive: true });
    await symlink(scratch('elsewhere'), path.join(snapshot, FILE.path));
    expect(await adopt()).toMatchObject({ sha256: FILE.sha256 });
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
});
