import { connect, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttpClient, type GetOptions, type HttpOptions } from '../../src/hub/http.ts';
import { retryAfterMs } from '../../src/hub/http-errors.ts';
import { errorOf } from './scratch.ts';
import { bytes, type Handler, redirect, stalled, startServer, status, truncated } from './server.ts';

const SECRET = 'hf_SecretSecretSecret';

async function read(url: string, options?: GetOptions, clientOptions?: HttpOptions): Promise<string> {
  const client = createHttpClient(clientOptions);
  try {
    const { body } = await client.get(url, options);
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  } finally {
    await client.close();
  }
}

describe('answers and their meaning', () => {
  const hub = (code: string, message: string): Record<string, string> => ({
    'x-error-code': code,
    'x-error-message': message,
  });
  const cases: [string, Handler, string, number, RegExp][] = [
    ['404', status(404), 'url-not-found', 3, /nothing is there \(HTTP 404\)/],
    ['401', status(401), 'unauthorized', 5, /authentication/],
    ['403', status(403), 'forbidden', 5, /refuses access/],
    [
      '403 of an expired link',
      status(403, {}, '<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'),
      'expired-url',
      5,
      /link has expired.*"Request has expired"/,
    ],
    ['410', status(410), 'expired-url', 5, /gone/],
    ['418', status(418), 'request-refused', 5, /HTTP 418/],
    ['429', status(429), 'rate-limited', 4, /too many requests/],
    ['500', status(500), 'server-error', 4, /HTTP 500/],
    ['503', status(503), 'server-error', 4, /HTTP 503/],
    ['204', status(204), 'server-error', 4, /HTTP 204/],
    [
      'a gated repository',
      status(403, hub('GatedRepo', 'Access to model X is restricted')),
      'gated-repository',
      5,
      /gated.*restricted/,
    ],
    [
      'a missing repository',
      status(401, hub('RepoNotFound', 'Invalid username or password.')),
      'repository-not-found',
      3,
      /no such repository/,
    ],
    [
      'a missing revision',
      status(404, hub('RevisionNotFound', 'Invalid rev id')),
      'revision-not-found',
      3,
      /no such revision/,
    ],
    ['a missing file', status(404, hub('EntryNotFound', 'Entry not found')), 'file-not-found', 3, /no such file/],
    ['a redirect without end', redirect('/x'), 'redirect-loop', 4, /more than 10 redirects/],
    ['a redirect to a file', redirect('file:///etc/passwd'), 'bad-redirect', 4, /no web address/],
    ['an encoded body', status(200, { 'content-encoding': 'br' }, 'x'), 'unexpected-encoding', 4, /encoded as br/],
    ['a body that breaks off', truncated('half', 1000), 'connection-failed', 4, /connection broke/],
    ['a body that stalls', stalled('first'), 'connection-failed', 4, /does not answer in time/],
  ];

  it.each(cases)('%s', async (_name, handler, code, exitCode, message) => {
    await using server = await startServer({ '/x': handler });
    const url = `${server.url}/x?Signature=${SECRET}`;
    const error = await errorOf(read(url, { token: { value: SECRET, origin: server.url } }, { idleTimeoutMs: 200 }));
    expect(error).toMatchObject({ code, exitCode, retryable: exitCode === 4 });
    expect(error.message).toMatch(message);
    expect(error.hint ?? 'none').not.toBe('');
    expect(JSON.stringify([error.message, error.hint, error.facts, error.stack, String(error.cause)])).not.toContain(
      SECRET,
    );
  });

  it('a server that is not there', async () => {
    const { url } = await startServer({}).then(async (server) => {
      await server[Symbol.asyncDispose]();
      return server;
    });
    const error = await errorOf(read(url));
    expect(error).toMatchObject({ code: 'connection-failed', exitCode: 4, facts: { cause: 'ECONNREFUSED' } });
    expect(await errorOf(read('http://nowhere.invalid/'))).toMatchObject({ code: 'connection-failed', exitCode: 4 });
  });

  it('no request when offline', async () => {
    await using server = await startServer({ '/x': bytes('x') });
    const error = await errorOf(read(`${server.url}/x`, {}, { offline: true }));
    expect(error).toMatchObject({ code: 'offline', exitCode: 4 });
    expect(server.requests).toEqual([]);
  });
});

describe('secrets', () => {
  it('a token goes to its own host, and not along with a redirect to another', async () => {
    await using other = await startServer({ '/blob': bytes('weights') });
    await using hub = await startServer({
      '/file': redirect('/moved', 307),
      '/moved': redirect(`${other.url}/blob?Signature=1`),
    });
    expect(await read(`${hub.url}/file`, { token: { value: SECRET, origin: hub.url } })).toBe('weights');
    expect(hub.requests).toEqual([`/file Bearer ${SECRET}`, `/moved Bearer ${SECRET}`]);
    expect(other.requests).toEqual(['/blob?Signature=1 -']);
  });

  it('user and password of a URL are sent as basic authentication and to no other host', async () => {
    await using other = await startServer({ '/blob': bytes('x') });
    await using server = await startServer({ '/x': redirect(`${other.url}/blob`) });
    await read(`${server.url.replace('//', '//u:p%40ss@')}/x`);
    expect(server.requests).toEqual([`/x Basic ${Buffer.from('u:p@ss').toString('base64')}`]);
    expect(other.requests).toEqual(['/blob -']);
  });
});

describe('ranges', () => {
  it('reads from an offset', async () => {
    await using server = await startServer({ '/x': bytes('0123456789') });
    expect(await read(`${server.url}/x`, { range: { start: 7 } })).toBe('789');
    expect(await read(`${server.url}/x`, { range: { start: 2, end: 5 } })).toBe('234');
  });

  it('says where the bytes begin when a server sends the whole', async () => {
    await using server = await startServer({ '/x': status(200, { etag: '"a"' }, '0123456789') });
    const client = createHttpClient();
    const { start, isPartial, validator } = await client.get(`${server.url}/x`, { range: { start: 7 } });
    expect({ start, isPartial, validator }).toEqual({ start: 0, isPartial: false, validator: '"a"' });
    await client.close();
  });

  it.each([
    ['another range', 'bytes 0-9/10'],
    ['more than was asked for', 'bytes 7-9/10'],
    ['no range', 'nonsense'],
  ])('refuses a server that sends %s', async (_what, range) => {
    await using server = await startServer({ '/x': status(206, { 'content-range': range }, '0123456789') });
    expect(await errorOf(read(`${server.url}/x`, { range: { start: 7, end: 9 } }))).toMatchObject({
      code: 'wrong-range',
      exitCode: 4,
    });
  });

  it('asks for a range only of the same file, by a strong validator', async () => {
    await using server = await startServer({ '/x': bytes('0123456789', '"a"') });
    expect(await read(`${server.url}/x`, { range: { start: 7 }, ifRange: '"a"' })).toBe('789');
    expect(await read(`${server.url}/x`, { range: { start: 7 }, ifRange: '"b"' })).toBe('0123456789');
    expect(await read(`${server.url}/x`, { range: { start: 7 }, ifRange: 'W/"a"' })).toBe('789');
  });
});

describe('retryAfterMs', () => {
  it('reads seconds and dates, and nothing else', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(retryAfterMs('7', now)).toBe(7000);
    expect(retryAfterMs('Thu, 01 Jan 2026 00:01:00 GMT', now)).toBe(60_000);
    expect(retryAfterMs('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0);
    expect(retryAfterMs('soon', now)).toBeUndefined();
    expect(retryAfterMs('', now)).toBeUndefined();
  });
});

describe('abort', () => {
  it('rejects with the reason of the signal, before and during the body', async () => {
    await using server = await startServer({ '/x': stalled('first') });
    const reason = new Error('stop');
    await expect(read(`${server.url}/x`, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 100);
    await expect(read(`${server.url}/x`, { signal: controller.signal })).rejects.toBe(reason);
  });
});

describe('proxies', () => {
  const saved = { ...process.env };
  let proxy: Server | undefined;
  afterEach(async () => {
    for (const name of ['HTTP_PROXY', 'http_proxy', 'NO_PROXY', 'no_proxy']) {
      if (saved[name] === undefined) delete process.env[name];
      else process.env[name] = saved[name];
    }
    await new Promise((resolve) => (proxy ? proxy.close(resolve) : resolve(undefined)));
  });

  it('goes through HTTP_PROXY, but not to the hosts of NO_PROXY', async () => {
    await using server = await startServer({ '/x': bytes('through') });
    const port = Number(new URL(server.url).port);
    const heads: string[] = [];
    const listening = createServer((client) => {
      client.once('data', (head) => {
        heads.push(head.toString().split('\r\n', 1)[0] ?? '');
        const upstream = connect(port, '127.0.0.1', () => {
          upstream.write(head);
          client.pipe(upstream).pipe(client);
        });
        upstream.on('error', () => client.destroy());
        client.on('error', () => upstream.destroy());
      });
    });
    proxy = listening;
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
    const { port: proxyPort } = listening.address() as { port: number };
    process.env.HTTP_PROXY = process.env.http_proxy = `http://127.0.0.1:${proxyPort}`;
    process.env.NO_PROXY = process.env.no_proxy = 'example.org';
    expect(await read(`${server.url}/x`)).toBe('through');
    expect(heads).toHaveLength(1);
    expect(heads[0]).toBe(`GET http://127.0.0.1:${port}/x HTTP/1.1`);
    process.env.NO_PROXY = process.env.no_proxy = '127.0.0.1';
    expect(await read(`${server.url}/x`)).toBe('through');
    expect(heads).toHaveLength(1);
  });
});
