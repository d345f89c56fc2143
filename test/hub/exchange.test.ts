import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, buildConnector } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exchange, HandlerError, steadyConnector } from '../../src/hub/exchange.ts';

const BODY = Buffer.from(Array.from({ length: 3 << 20 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));

/** Of localhost, for this test only. */
const pem = (name: string): Buffer => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url));

let server: Server;
let agent: Agent;
let scheme = 'http';
const serve: RequestListener = (request, response) => {
  if (request.url === '/chunked') {
    for (let at = 0; at < BODY.length; at += 100_003) response.write(BODY.subarray(at, at + 100_003));
    response.end();
  } else if (request.url === '/empty') response.writeHead(204).end();
  else response.writeHead(200, { 'content-length': BODY.length }).end(BODY);
};
const get = (path: string, signal?: AbortSignal) =>
  exchange(agent, new URL(path, `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`), {}, signal);

describe.each(['http', 'https'])('exchange over %s', (given) => {
  beforeEach(async () => {
    scheme = given;
    agent = new Agent({ connect: steadyConnector(buildConnector, { ca: pem('certificate') }) });
    server =
      scheme === 'http'
        ? createServer(serve)
        : createSecureServer({ cert: pem('certificate'), key: pem('key') }, serve);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    await agent.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it.each(['/', '/chunked'])('hands over every byte of %s, however long each chunk takes', async (path) => {
    const answer = await get(path);
    await sleep(30); // the body has come as far as it can
    let position = 0;
    let held: Buffer | undefined;
    await answer.read((chunk) => {
      expect(chunk.equals(BODY.subarray(position, position + chunk.length))).toBe(true);
      const start = position;
      position += chunk.length;
      if (start % 3 === 0) return undefined;
      held = chunk;
      // the bytes stay what they are until the promise is fulfilled
      return sleep(3).then(() => expect(held?.equals(BODY.subarray(start, start + chunk.length))).toBe(true));
    });
    expect(position).toBe(BODY.length);
  });

  it('uses a connection again', async () => {
    let connections = 0;
    server.on(scheme === 'http' ? 'connection' : 'secureConnection', () => connections++);
    for (let i = 0; i < 3; i++) await (await get('/')).read(() => undefined);
    await (await get('/empty')).read(() => undefined);
    expect(connections).toBe(1);
  });

  it('ends with what the handler throws, now or later', async () => {
    const now = (await get('/')).read(() => {
      throw new Error('now');
    });
    await expect(now).rejects.toMatchObject({ constructor: HandlerError, cause: { message: 'now' } });
    const later = (await get('/')).read(() => sleep(5).then(() => Promise.reject(new Error('later'))));
    await expect(later).rejects.toMatchObject({ cause: { message: 'later' } });
  });

  it('ends with the reason of the signal, and when nobody wants the rest', async () => {
    const control = new AbortController();
    const answer = await get('/', control.signal);
    const reading = answer.read(() => sleep(20));
    control.abort(new Error('enough'));
    await expect(reading).rejects.toThrow('enough');
    const other = await get('/');
    await expect(
      other.read(() => {
        other.abandon();
        return undefined;
      }),
    ).rejects.toBeInstanceOf(HandlerError);
    await expect(get('/', AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
  });
});
