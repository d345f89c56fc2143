/** Through a proxy: the program as a process, a hub with TLS, and what the proxy gets to see. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { pullModel } from '../../src/hub/pull.ts';
import type { FsbError } from '../../src/util/errors.ts';
import { errorOf } from '../hub/scratch.ts';
import { CERTIFICATE_FILE, REPO, randomBody, sha256, startFaultServer } from './fault-server.ts';
import { type ProxyOptions, startProxy } from './proxy-server.ts';
import { NAME, served, usePullHome } from './pull-process.ts';

const { at, pull, checkpoint } = usePullHome();

const BODY = randomBody(6 << 20);
const TOKEN = 'hf_SecretSecretSecret';
const LOGIN = 'user:p%40ss';
const BASIC = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
/** NO_PROXY is of the processes' own home, and empty here: the hub is on this machine. */
const TRUSTED = { NODE_EXTRA_CA_CERTS: CERTIFICATE_FILE, HF_TOKEN: TOKEN, NO_PROXY: '' };

const withLogin = (url: string, login: string): string => url.replace('//', `//${login}@`);
const hashThere = async (): Promise<string> => sha256(await readFile(path.join(checkpoint(), NAME)));

describe('a hub with TLS', () => {
  it('is read directly when no proxy is set', async () => {
    await using hub = await startFaultServer(served({ body: BODY }), { tls: true });
    expect(await pull(hub, [], TRUSTED).done).toMatchObject({ code: 0 });
    expect(await hashThere()).toBe(sha256(BODY));
    expect(hub.authorizations).toEqual(new Set([`Bearer ${TOKEN}`]));
  });

  it('is read through HTTPS_PROXY, which sees nothing of the token or the file', async () => {
    await using hub = await startFaultServer(served({ body: BODY }), { tls: true });
    await using proxy = await startProxy();
    expect(await pull(hub, [], { ...TRUSTED, HTTPS_PROXY: proxy.url }).done).toMatchObject({ code: 0 });
    expect(await hashThere()).toBe(sha256(BODY));
    expect(new Set(proxy.requests)).toEqual(new Set([`CONNECT ${new URL(hub.url).host} -`]));
    expect(proxy.tunnelledBytes).toBeGreaterThan(BODY.length);
    expect(hub.authorizations).toEqual(new Set([`Bearer ${TOKEN}`]));
    expect(proxy.seen()).toMatch(/^CONNECT /);
    expect(proxy.seen()).not.toContain(TOKEN);
    expect(proxy.seen()).not.toMatch(/bearer/i);
    expect(proxy.seen()).not.toContain(NAME);
  });

  it('is read through a proxy with user and password, which the hub does not see', async () => {
    await using hub = await startFaultServer(served({ body: BODY }), { tls: true });
    await using proxy = await startProxy({ login: 'user:p@ss' });
    const env = { ...TRUSTED, HTTPS_PROXY: withLogin(proxy.url, LOGIN) };
    expect(await pull(hub, [], env).done).toMatchObject({ code: 0 });
    expect(await hashThere()).toBe(sha256(BODY));
    expect(new Set(proxy.requests)).toEqual(new Set([`CONNECT ${new URL(hub.url).host} ${BASIC}`]));
    expect(hub.authorizations).toEqual(new Set([`Bearer ${TOKEN}`]));
  });

  it('is read without the proxy when NO_PROXY names it', async () => {
    await using hub = await startFaultServer(served({ body: BODY }), { tls: true });
    await using proxy = await startProxy();
    const env = { ...TRUSTED, HTTPS_PROXY: proxy.url, NO_PROXY: 'example.org,127.0.0.1' };
    expect(await pull(hub, [], env).done).toMatchObject({ code: 0 });
    expect(await hashThere()).toBe(sha256(BODY));
    expect(proxy.requests).toEqual([]);
  });

  it('behind a proxy that wants another password: exit code 5, and the password is nowhere', async () => {
    await using hub = await startFaultServer(served({ body: BODY }), { tls: true });
    await using proxy = await startProxy({ login: 'user:other' });
    const env = { ...TRUSTED, HTTPS_PROXY: withLogin(proxy.url, LOGIN) };
    const result = await pull(hub, ['--json', '--debug'], env).done;
    expect(result).toMatchObject({ code: 5, stdout: '' });
    const document = JSON.parse(result.stderr.split('\n').find((line) => line.startsWith('{"error"'))!);
    expect(document.error).toMatchObject({ code: 'proxy-authentication', exitCode: 5, retryable: false });
    expect(document.error.message).toContain(`through the proxy ${proxy.url}: the proxy wants authentication`);
    expect(document.error.hint).toContain('HTTPS_PROXY');
    for (const secret of ['p%40ss', 'p@ss', BASIC.slice(6), TOKEN]) expect(result.stderr).not.toContain(secret);
    expect(hub.requests).toEqual([]);
  });

  it('behind something that is no proxy: the variable is named, and the password is not', async () => {
    await using hub = await startFaultServer(served({ body: BODY }), { tls: true });
    const { code, stderr } = await pull(hub, [], { ...TRUSTED, HTTPS_PROXY: `ftp://${LOGIN}@127.0.0.1:9` }).done;
    expect(code).toBe(2);
    expect(stderr).toMatch(/HTTPS_PROXY: expected the address of a proxy/);
    expect(stderr).not.toContain('p%40ss');
  });
});

/** The library in this process, which trusts no certificate of a test, and has less patience than the program. */
describe('a hub with TLS that is out of reach', () => {
  afterEach(() => vi.unstubAllEnvs());

  const pullFrom = async (hub: string, proxy: string | undefined): Promise<FsbError> => {
    for (const name of ['HTTPS_PROXY', 'NO_PROXY']) {
      vi.stubEnv(name, name === 'HTTPS_PROXY' ? proxy : undefined);
      vi.stubEnv(name.toLowerCase(), undefined);
    }
    return errorOf(
      pullModel({
        name: 'faulty',
        sources: [{ kind: 'huggingface', repo: REPO }],
        huggingFaceEndpoint: hub,
        target: at('out'),
        timeouts: { idleTimeoutMs: 300, connectTimeoutMs: 1000 },
        retry: { attempts: 2, baseMs: 10 },
      }),
    );
  };

  it('by its certificate: the way to trust it is named', async () => {
    await using hub = await startFaultServer(served({ body: BODY }), { tls: true });
    expect(await pullFrom(hub.url, undefined)).toMatchObject({
      exitCode: 4,
      code: 'connection-failed',
      message: expect.stringContaining('TLS certificate is not trusted'),
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
  });

  /** What the proxy does → exit code and code of the error, its message, how often it is asked. */
  const cases: [what: string, options: ProxyOptions, exitCode: number, code: string, told: string, asked: number][] = [
    ['wants a password', { login: 'a:b' }, 5, 'proxy-authentication', 'the proxy wants authentication (HTTP 407)', 1],
    ['forbids it', { status: 403 }, 5, 'proxy-refused', 'the proxy refuses a connection to the server (HTTP 403)', 1],
    ['fails', { status: 502 }, 4, 'proxy-error', 'the proxy has no connection to the server (HTTP 502)', 2],
    ['is silent', { isSilent: true }, 4, 'connection-failed', 'the server does not answer in time', 2],
  ];
  it.each(cases)(
    'by a proxy that %s: the error names the proxy',
    async (_what, options, exitCode, code, told, asked) => {
      await using hub = await startFaultServer(served({ body: BODY }), { tls: true });
      await using proxy = await startProxy(options);
      const error = await pullFrom(hub.url, withLogin(proxy.url, LOGIN));
      expect(error).toMatchObject({ exitCode, code, facts: { proxy: proxy.url } });
      expect(error.message).toContain(`through the proxy ${proxy.url}: ${told}`);
      expect(error.hint).toMatch(/proxy|PROXY/);
      expect(JSON.stringify([error.message, error.hint, error.facts, error.stack])).not.toMatch(/p(@|%40)ss/);
      expect(proxy.requests).toHaveLength(asked);
      expect(hub.requests).toEqual([]);
    },
  );

  it.each([
    ['is down', 'http://127.0.0.1:9', 'the connection is refused'],
    ['has no address', 'http://proxy.invalid:3128', 'the host name cannot be resolved'],
  ])('by a proxy that %s: the error names the proxy', async (_what, address, told) => {
    await using hub = await startFaultServer(served({ body: BODY }), { tls: true });
    const error = await pullFrom(hub.url, withLogin(address, LOGIN));
    expect(error).toMatchObject({ exitCode: 4, code: 'connection-failed', facts: { proxy: address } });
    expect(error.message).toContain(`through the proxy ${address}: ${told}`);
    expect(error.hint).toContain('HTTPS_PROXY');
    expect(JSON.stringify([error.message, error.hint, error.facts, error.stack])).not.toMatch(/p(@|%40)ss/);
  });
});

describe('a hub without TLS', () => {
  it('is asked for by way of HTTP_PROXY, with its user and password', async () => {
    await using hub = await startFaultServer(served({ body: BODY }));
    await using proxy = await startProxy({ login: 'user:p@ss' });
    const env = { NO_PROXY: '', HTTP_PROXY: withLogin(proxy.url, LOGIN) };
    expect(await pull(hub, [], env).done).toMatchObject({ code: 0 });
    expect(await hashThere()).toBe(sha256(BODY));
    expect(proxy.requests.every((line) => line.startsWith(`GET ${hub.url}/`) && line.endsWith(BASIC))).toBe(true);
  });

  it('behind a proxy that wants another password: exit code 5', async () => {
    await using hub = await startFaultServer(served({ body: BODY }));
    await using proxy = await startProxy({ login: 'user:other' });
    const env = { NO_PROXY: '', HTTP_PROXY: withLogin(proxy.url, LOGIN) };
    const { code, stderr } = await pull(hub, [], env).done;
    expect(code).toBe(5);
    expect(stderr).toContain(`through the proxy ${proxy.url}: the proxy wants authentication (HTTP 407)`);
    expect(stderr).not.toContain('p%40ss');
    expect(hub.requests).toEqual([]);
  });
});
