/** A web proxy on this machine: CONNECT and plain requests, with a password if it has one, and a memory for all it saw. */
import { createServer, request as forward } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

export interface ProxyServer extends AsyncDisposable {
  /** "http://127.0.0.1:<port>" */
  readonly url: string;
  /** "CONNECT <host>:<port>" or "GET <url>", each with the Proxy-Authorization or "-". */
  readonly requests: string[];
  /** Everything that clients sent, heads and tunnels, as latin1. */
  seen(): string;
  /** Bytes that went back to clients through tunnels. */
  tunnelledBytes: number;
}

export interface ProxyOptions {
  /** "user:password" that is wanted. */
  readonly login?: string;
  /** Answers with this status in place of a connection. */
  readonly status?: number;
  /** Takes requests and never answers. */
  readonly isSilent?: boolean;
}

export async function startProxy({ login, status, isSilent }: ProxyOptions = {}): Promise<ProxyServer> {
  const seen: Buffer[] = [];
  const sockets = new Set<Duplex>();
  const wanted = login === undefined ? undefined : `Basic ${Buffer.from(login).toString('base64')}`;
  const state = { requests: [] as string[], tunnelledBytes: 0 };
  /** The status in place of what is asked for, if any. */
  const refusal = (authorization: string | undefined): number | undefined =>
    wanted !== undefined && authorization !== wanted ? 407 : status;
  const server = createServer((request, response) => {
    const authorization = request.headers['proxy-authorization'];
    state.requests.push(`${request.method} ${request.url} ${authorization ?? '-'}`);
    const refused = refusal(authorization);
    if (isSilent) return;
    if (refused !== undefined) return void response.writeHead(refused, { 'proxy-authenticate': 'Basic' }).end();
    const { 'proxy-authorization': _, 'proxy-connection': __, ...headers } = request.headers;
    forward(request.url!, { headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    })
      .on('error', () => response.writeHead(502).end())
      .end();
  });
  server.on('connect', (request, client) => {
    const authorization = request.headers['proxy-authorization'];
    state.requests.push(`CONNECT ${request.url} ${authorization ?? '-'}`);
    client.on('error', () => undefined);
    if (isSilent) return;
    const refused = refusal(authorization);
    if (refused !== undefined)
      return void client.end(`HTTP/1.1 ${refused} No\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n`);
    const { hostname, port } = new URL(`http://${request.url}`);
    const upstream = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(upstream);
      upstream.on('data', (bytes) => {
        state.tunnelledBytes += bytes.length;
      });
      upstream.pipe(client);
    });
    sockets.add(upstream);
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.prependListener('data', (bytes: Buffer) => seen.push(Buffer.from(bytes)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: () => Buffer.concat(seen).toString('latin1'),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
