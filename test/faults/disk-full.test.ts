/** A disk that is too small, or that runs full on the way: exit code 7, and nothing that was fetched is lost. */
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PullOptions, pullModel } from '../../src/hub/pull.ts';
import { transferFile } from '../../src/hub/transfer.ts';
import { writeZip } from '../util/zip-writer.ts';
import { canMount, useDisks } from './disk.ts';
import { REPO, randomBody, sha256, startFaultServer } from './fault-server.ts';

process.env.NO_PROXY = process.env.no_proxy = '127.0.0.1,localhost';

const PIECE_BYTES = 64 << 10;
const BODY = randomBody(40 * PIECE_BYTES);
const NAME = 'pytorch_model.bin';
/** Deflates to about three quarters. */
const TEXT = Buffer.from(randomBody(3 << 20).toString('base64'));

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'fsb-disk-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const disks = useDisks();
const smallDisk = (bytes: number): string => disks.mount(path.join(folder, `disk-${bytes}`), bytes);

const options = (url: string, target: string, more: Partial<PullOptions> = {}): PullOptions => ({
  name: 'm',
  sources: [{ kind: 'huggingface', repo: REPO }],
  target,
  huggingFaceEndpoint: url,
  connections: 3,
  pieceBytes: PIECE_BYTES,
  retry: { attempts: 2, baseMs: 10 },
  ...more,
});

describe.skipIf(!canMount('disks that run full'))('a small disk', () => {
  it('runs full on the way: what came stays, and the next run goes on from there', async () => {
    const disk = smallDisk(6 << 20);
    const target = path.join(disk, 'out');
    const filler = path.join(disk, 'filler');
    let isFilled: Promise<void> | undefined;
    await using server = await startFaultServer({ [NAME]: { body: BODY, rate: 2e6 } });
    const failed = pullModel(
      options(server.url, target, {
        onEvent(event) {
          // somebody else takes what is left
          if (event.type === 'progress' && event.bytes > BODY.length / 3)
            isFilled ??= writeFile(filler, Buffer.alloc(6 << 20)).catch(() => undefined);
        },
      }),
    );
    await expect(failed).rejects.toMatchObject({ exitCode: 7, code: 'disk-full', message: /is full/ });
    await isFilled;
    await rm(filler);
    await using again = await startFaultServer({ [NAME]: { body: BODY } });
    const result = await pullModel(options(again.url, target));
    expect(sha256(await readFile(path.join(target, NAME)))).toBe(sha256(BODY));
    expect(result.bytesTransferred).toBeLessThan(0.8 * BODY.length);
  });

  it('is known to be too small before a byte of weights, with the room for unpacking', async () => {
    const zip = writeZip([
      { name: 'm/config.json', data: '{"model_type":"bert"}' },
      { name: `m/${NAME}`, data: TEXT },
    ]);
    const target = path.join(smallDisk(Math.ceil(1.5 * TEXT.length)), 'out');
    await using server = await startFaultServer({ 'm.zip': { body: zip } });
    const sources = [{ kind: 'archive', url: `${server.url}/files/m.zip` }] as const;
    await expect(pullModel(options(server.url, target, { sources }))).rejects.toMatchObject({
      exitCode: 7,
      code: 'disk-full',
    });
    expect(server.sentBytes).toBeLessThan(300_000); // the zip's directory
    const larger = path.join(smallDisk(Math.ceil(2 * TEXT.length)), 'out');
    await pullModel(options(server.url, larger, { sources }));
    expect(sha256(await readFile(path.join(larger, NAME)))).toBe(sha256(TEXT));
  });

  it('runs full under a streamed zip', async () => {
    const zip = writeZip([
      { name: 'm/config.json', data: '{"model_type":"bert"}' },
      { name: `m/${NAME}`, data: TEXT },
    ]);
    const disk = smallDisk(Math.ceil(0.9 * TEXT.length));
    await using server = await startFaultServer({ 'm.zip': { body: zip, fault: '200 in place of 206' } });
    const sources = [{ kind: 'archive', url: `${server.url}/files/m.zip` }] as const;
    await expect(pullModel(options(server.url, path.join(disk, 'out'), { sources }))).rejects.toMatchObject({
      exitCode: 7,
      code: 'disk-full',
    });
  });
});

describe.skipIf(process.platform !== 'linux')('a write that finds no space', () => {
  it('is told as a full disk', async () => {
    await using server = await startFaultServer({ [NAME]: { body: BODY } });
    await symlink('/dev/full', path.join(folder, NAME));
    const { createHttpClient } = await import('../../src/hub/http.ts');
    const { httpSource } = await import('../../src/hub/sources/http.ts');
    const http = createHttpClient();
    const file = { path: NAME, sizeBytes: BODY.length, sha256: sha256(BODY) };
    const source = httpSource(`${server.url}/files/${NAME}`, http);
    await expect(transferFile(source, file, folder, { pieceBytes: PIECE_BYTES })).rejects.toMatchObject({
      exitCode: 7,
      code: 'disk-full',
    });
    await http.close();
  });
});
