/** A web server on this machine that serves what a test tells it to, and remembers what it was asked. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface TestServer extends AsyncDisposable {
  /** "http://127.0.0.1:<port>" */
  readonly url: string;
  /** Every request as "<path> <authorization>". */
  readonly requests: string[];
}

/** Routes are paths without query; anything else answers 404. Disposing closes the server and its connections. */
export async function startServer(routes: Readonly<Record<string, Handler>>): Promise<TestServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.url} ${request.headers.authorization ?? '-'}`);
    const handler = routes[new URL(request.url ?? '/', 'http://x').pathname];
    if (handler) handler(request, response);
    else response.writeHead(404).end('not here');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers with bytes, honouring Range and, when an ETag is given, If-Range. */
export function bytes(body: Buffer | string, etag?: string): Handler {
  const whole = Buffer.from(body as string);
  return (request, response) => {
    const tag = etag === undefined ? {} : { etag };
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const condition = request.headers['if-range'];
    if (first === undefined || (condition !== undefined && condition !== etag)) {
      response.writeHead(200, { 'content-length': whole.length, ...tag }).end(whole);
      return;
    }
    const start = Number(first);
    if (start >= whole.length) {
      response.writeHead(416, { 'content-range': `bytes */${whole.length}` }).end();
      return;
    }
    const end = Math.min(whole.length, last ? Number(last) + 1 : whole.length);
    response.writeHead(206, {
      'content-range': `bytes ${start}-${end - 1}/${whole.length}`,
      'content-length': end - start,
      ...tag,
    });
    response.end(whole.subarray(start, end));
  };
}

export function status(code: number, headers: Record<string, string> = {}, body = ''): Handler {
  return (_request, response) => response.writeHead(code, headers).end(body);
}

export function redirect(location: string, code = 302): Handler {
  return status(code, { location });
}

/** Promises more bytes than it sends, then breaks the connection. */
export function truncated(body: string, promised: number): Handler {
  return (_request, response) => {
    response.writeHead(200, { 'content-length': promised });
    response.write(body, () => setTimeout(() => response.destroy(), 20));
  };
}

/** Sends a first chunk and then nothing. */
export function stalled(body: string, promised = 1e6): Handler {
  return (_request, response) => {
    response.writeHead(200, { 'content-length': promised });
    response.write(body);
  };
}

export interface HubFile {
  readonly content: string;
  /** Stored in Git LFS: listed with sha256, not with a Git blob id. */
  readonly lfs?: boolean;
  /** Listed hash, where it should be a wrong one. */
  readonly hash?: string;
}

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** The routes of one hub repository: its listing at `revision` and its files at COMMIT. */
export function hubRoutes(
  repo: string,
  files: Readonly<Record<string, HubFile>>,
  revision = 'main',
): Record<string, Handler> {
  const siblings = Object.entries(files).map(([rfilename, { content, lfs, hash }]) => {
    const size = Buffer.byteLength(content);
    const sha256 = hash ?? createHash('sha256').update(content).digest('hex');
    const blobId = createHash('sha1').update(`blob ${size}\0${content}`).digest('hex');
    return lfs
      ? { rfilename, size, blobId, lfs: { sha256, size, pointerSize: 134 } }
      : { rfilename, size, blobId: hash ?? blobId };
  });
  const listing = JSON.stringify({ id: repo, sha: COMMIT, siblings });
  const routes: Record<string, Handler> = {
    [`/api/models/${repo}/revision/${encodeURIComponent(revision)}`]: status(200, {}, listing),
  };
  for (const [name, { content }] of Object.entries(files))
    routes[`/${repo}/resolve/${COMMIT}/${encodeURI(name)}`] = bytes(content);
  return routes;
}
