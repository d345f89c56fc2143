/** Where a person says the bytes shall come from, and what must not go anywhere else: the program as a process. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { writeZip } from '../util/zip-writer.ts';
import { CERTIFICATE_FILE, REPO, randomBody, type ServedFile, sha256, startFaultServer } from './fault-server.ts';
import { CONFIG, NAME, served, usePullHome } from './pull-process.ts';

const { at, fsb, pull, checkpoint } = usePullHome();

const BODY = randomBody(6 << 20);
const ZIP = writeZip([
  { name: 'm/config.json', data: CONFIG.body },
  { name: `m/${NAME}`, data: BODY, method: 0 },
]);
const TOKEN = 'hf_SecretSecretSecret';
/** Nothing listens there. */
const DOWN = { url: 'http://127.0.0.1:9' };

describe('--mirror', () => {
  const there: Record<string, ServedFile> = { ...served({ body: BODY }), 'm.zip': { body: ZIP } };

  beforeEach(async () => {
    await writeFile(at('m.zip'), ZIP);
    // the same model, on ModelScope too
    const registry = JSON.parse(await readFile(at('registry.json'), 'utf8'));
    registry.models.faulty.sources.push({ kind: 'modelscope', repo: REPO });
    await writeFile(at('registry.json'), JSON.stringify(registry));
  });

  const cases: [what: string, mirror: (url: string) => string, source: (url: string) => string][] = [
    ['a hub', (url) => url, (url) => `huggingface:${REPO}@${new URL(url).host}`],
    ['a hub, with a slash', (url) => `${url}/`, (url) => `huggingface:${REPO}@${new URL(url).host}`],
    ['ModelScope', () => 'modelscope', () => `modelscope:${REPO}`],
    [
      'a zip at a URL',
      (url) => `${url}/files/m.zip?Signature=s3cr3t`,
      (url) => `archive:${url}/files/m.zip?Signature=***`,
    ],
    ['a zip on this machine', () => at('m.zip'), () => `local:${at('m.zip')}`],
    ['a zip as a file: URL', () => pathToFileURL(at('m.zip')).href, () => `local:${at('m.zip')}`],
  ];
  it.each(cases)('takes the model from %s, whatever else is down', async (_what, mirror, source) => {
    await using server = await startFaultServer(there);
    const env = { FSB_MODELSCOPE_ENDPOINT: server.url };
    const { code, stdout, stderr } = await pull(DOWN, ['--json', '--mirror', mirror(server.url)], env).done;
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const { files, path: folder } = JSON.parse(stdout);
    expect(new Set(files.map((file: { source: string }) => file.source))).toEqual(new Set([source(server.url)]));
    expect(sha256(await readFile(path.join(folder, NAME)))).toBe(sha256(BODY));
    expect(stdout + stderr).not.toContain('s3cr3t');
  });

  it('goes on to the next of several, and to the registry’s own, and names what failed', async () => {
    await using server = await startFaultServer(there);
    const args = ['--mirror', `${server.url}/files/none.zip`, '--mirror', at('none.zip')];
    const { code, stderr } = await pull(server, args).done;
    expect(code).toBe(0);
    expect(stderr).toContain(`archive:${server.url}/files/none.zip: `);
    expect(stderr).toContain(`local:${at('none.zip')}: `);
    expect(sha256(await readFile(path.join(checkpoint(), NAME)))).toBe(sha256(BODY));
  });

  it.each([
    ['nonsense', 'expected a URL, a path or a hub id'],
    ['https://', 'is not a URL'],
  ])('%s is a usage error', async (mirror, told) => {
    const { code, stderr } = await pull(DOWN, ['--mirror', mirror]).done;
    expect(code).toBe(2);
    expect(stderr).toContain(told);
  });
});

describe('secrets', () => {
  const SECRETS = /AKIASECRET|s3cr3t|passw0rd/;
  const signed = (url: string): string =>
    `${url.replace('//', '//user:passw0rd@')}/files/m.zip?AccessKeyId=AKIASECRET&Expires=4102444800&Signature=s3cr3t%3D`;

  it('of a signed link are in no file that an interrupted transfer leaves', async () => {
    await using server = await startFaultServer({ 'm.zip': { body: ZIP, rate: 1e6 } });
    const args = ['pull', 'faulty', '--mirror', signed(server.url), '--json', '--debug'];
    const running = fsb(args, { HF_ENDPOINT: DOWN.url });
    while (server.sentBytes < 2e6) await sleep(20);
    running.kill('SIGINT');
    const { code, stdout, stderr } = await running.done;
    expect(code).toBe(130);
    expect(stderr).toContain('m.zip');
    const left = await readdir(at('fsb'), { recursive: true, withFileTypes: true });
    const texts = await Promise.all(
      left
        .filter((entry) => entry.isFile())
        .map((entry) => readFile(path.join(entry.parentPath, entry.name), 'latin1')),
    );
    expect(texts.some((text) => text.includes('m.zip'))).toBe(true);
    for (const text of [stdout, stderr, ...texts]) expect(text).not.toMatch(SECRETS);
  });

  it('of a signed link are in no message, not even when the server repeats them', async () => {
    const body = '<Message>Request has expired: Signature=s3cr3t%3D https://x/?AccessKeyId=AKIASECRET</Message>';
    await using server = await startFaultServer({
      'm.zip': { body: ZIP, fault: ({ response }) => response.writeHead(403).end(body) },
    });
    const args = ['pull', 'faulty', '--mirror', signed(server.url), '--json', '--debug'];
    const { code, stdout, stderr } = await fsb(args, { HF_ENDPOINT: server.url }).done;
    expect(code).toBe(5);
    expect(stderr).toContain('the link has expired (HTTP 403');
    for (const text of [stdout, stderr]) expect(text).not.toMatch(SECRETS);
  });

  it('of a hub stay there: no other host gets its token, not by a redirect and not as its mirror', async () => {
    const files = served({ body: BODY });
    const other = await startFaultServer(files, { tls: true });
    await using _ = other;
    const location = `${other.url}/files/${NAME}?Signature=1`;
    await using hub = await startFaultServer(
      served({ body: BODY, fault: ({ response }) => response.writeHead(302, { location }).end() }),
      { tls: true },
    );
    const env = { HF_TOKEN: TOKEN, NODE_EXTRA_CA_CERTS: CERTIFICATE_FILE };
    expect(await pull(hub, [], env).done).toMatchObject({ code: 0 });
    expect(await pull(hub, ['--force', '--mirror', other.url], env).done).toMatchObject({ code: 0 });
    expect(sha256(await readFile(path.join(checkpoint(), NAME)))).toBe(sha256(BODY));
    expect(hub.authorizations).toEqual(new Set([`Bearer ${TOKEN}`]));
    expect(other.requests.length).toBeGreaterThan(0);
    expect(other.authorizations).toEqual(new Set());
  });

  it('are not asked for again without TLS: a redirect from https to http is refused', async () => {
    await using plain = await startFaultServer(served({ body: BODY }));
    const location = `${plain.url}/files/${NAME}`;
    await using hub = await startFaultServer(
      served({ body: BODY, fault: ({ response }) => response.writeHead(302, { location }).end() }),
      { tls: true },
    );
    const { code, stderr } = await pull(hub, [], { NODE_EXTRA_CA_CERTS: CERTIFICATE_FILE }).done;
    expect(code).toBe(5);
    expect(stderr).toMatch(/redirects to the unencrypted/);
    expect(plain.requests).toEqual([]);
  });
});
