/**
 * A hub, its mirrors and an archive host on this machine, that do to a file's requests what networks and servers do.
 * A fault is a name in FAULTS; it is given the file's bytes and the number of the request for that file (0, 1, …).
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

export interface Request {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly hasRange: boolean;
  /** How many requests for the file came before. */
  readonly count: number;
  readonly ifRange: string | undefined;
  readonly response: ServerResponse;
  readonly body: Buffer;
}

type Fault = (request: Request) => void;

export const ETAG = '"v1"';

/** Bytes that no compression and no coincidence makes alike. */
export function randomBody(bytes: number): Buffer {
  return randomBytes(bytes);
}

/** In parts: a hash takes 2 GiB at once at most, and benchmarks serve more. */
export function sha256(bytes: Buffer): string {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += 2 ** 30) hash.update(bytes.subarray(at, at + 2 ** 30));
  return hash.digest('hex');
}

/** The answer of a server without faults. */
export function serve({ start, end, hasRange, ifRange, response, body }: Request, etag: string | null = ETAG): void {
  const tag = etag === null ? {} : { etag };
  if (!hasRange || (ifRange !== undefined && ifRange !== etag)) {
    response.writeHead(200, { 'content-length': body.length, ...tag }).end(body);
    return;
  }
  response.writeHead(206, {
    'content-range': `bytes ${start}-${end - 1}/${body.length}`,
    'content-length': end - start,
    ...tag,
  });
  response.end(body.subarray(start, end));
}

/** Promises the range, sends a part of it, then does something to the connection. */
function partly(request: Request, share: number, then: (response: ServerResponse) => void): void {
  const { start, end, response, body } = request;
  response.writeHead(request.hasRange ? 206 : 200, {
    ...(request.hasRange && { 'content-range': `bytes ${start}-${end - 1}/${body.length}` }),
    'content-length': end - start,
    etag: ETAG,
  });
  response.write(body.subarray(start, start + Math.floor((end - start) * share)), () => setTimeout(then, 50, response));
}

const flipped = (body: Buffer): Buffer => {
  const copy = Buffer.from(body);
  copy[Math.floor(copy.length / 2)]! ^= 1;
  return copy;
};

const first =
  (times: number, fault: Fault): Fault =>
  (request) =>
    request.count < times ? fault(request) : serve(request);
const status =
  (code: number, headers: Record<string, string> = {}): Fault =>
  ({ response }) =>
    response.writeHead(code, headers).end('no');

export const FAULTS = {
  none: serve,
  'connection dropped in every third request': (r) =>
    r.count % 3 === 0 ? partly(r, 0.6, (response) => response.destroy()) : serve(r),
  'connection reset before the headers': first(2, ({ response }) => response.destroy()),
  'connection dropped after every 100 kB': (r) =>
    r.end - r.start <= 100_000 ? serve(r) : partly(r, 100_000 / (r.end - r.start), (response) => response.destroy()),
  'stall after half, once': first(1, (r) => partly(r, 0.5, () => undefined)),
  'stall always': (r) => partly(r, 0, () => undefined),
  '500 twice': first(2, status(500)),
  '503 always': status(503),
  '429 with Retry-After in seconds': first(1, status(429, { 'retry-after': '0' })),
  '429 with Retry-After as a date': first(1, (r) =>
    status(429, { 'retry-after': new Date(Date.now() + 900).toUTCString() })(r),
  ),
  '429 with Retry-After of a day': status(429, { 'retry-after': '86400' }),
  '404': status(404),
  '403': status(403),
  '200 in place of 206': (r) => serve({ ...r, hasRange: false }),
  '200 in place of 206, dropped once': first(1, (r) =>
    partly({ ...r, hasRange: false, start: 0, end: r.body.length }, 0.5, (response) => response.destroy()),
  ),
  'wrong Content-Range, once': first(1, ({ start, end, response, body }) =>
    response
      .writeHead(206, { 'content-range': `bytes ${start + 1}-${end}/${body.length}` })
      .end(body.subarray(start, end)),
  ),
  'wrong Content-Range, always': ({ start, end, response, body }) =>
    response.writeHead(206, { 'content-range': `bytes 0-9/${body.length}` }).end(body.subarray(start, end)),
  'ranges compressed, once': first(1, ({ start, end, response, body }) =>
    response
      .writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${body.length}`, 'content-encoding': 'gzip' })
      .end(gzipSync(body.subarray(start, end))),
  ),
  'ranges compressed, always': ({ start, end, response, body }) =>
    response
      .writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${body.length}`, 'content-encoding': 'gzip' })
      .end(gzipSync(body.subarray(start, end))),
  'short body in chunks, once': first(1, ({ start, end, response, body }) => {
    response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${body.length}` });
    response.end(body.subarray(start, end - 1000));
  }),
  'longer body in chunks': ({ start, end, response, body }) => {
    response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${body.length}` });
    response.write(body.subarray(start, end));
    response.end(Buffer.alloc(1000));
  },
  'chunked without length': (r) => {
    r.response.writeHead(200, {});
    r.response.write(r.body.subarray(0, 1000));
    r.response.end(r.body.subarray(1000));
  },
  'one bit flipped, once': first(1, (r) => serve({ ...r, body: flipped(r.body) })),
  'one bit flipped, always': (r) => serve({ ...r, body: flipped(r.body) }),
  'truncated file': (r) => serve({ ...r, body: r.body.subarray(0, -1), end: Math.min(r.end, r.body.length - 1) }),
  'ETag changes with every request': (r) => serve({ ...r, ifRange: undefined }, `"${r.count}"`),
  'redirect loop': ({ response }) => response.writeHead(302, { location: '?again' }).end(),
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;

export interface ServedFile {
  readonly body: Buffer;
  readonly fault?: FaultName | Fault | undefined;
  /** In place of the true hash. */
  readonly listedSha256?: string | undefined;
  /** Bytes a second of each connection. */
  readonly rate?: number | undefined;
}

export interface FaultServer extends AsyncDisposable {
  readonly url: string;
  /** Bytes of files that went out. */
  sentBytes: number;
  /** Requests as "<path> <range>". */
  readonly requests: string[];
  /** The Authorization headers that came, each once. */
  readonly authorizations: Set<string>;
}

/** What NODE_EXTRA_CA_CERTS has to name so that a process trusts a server with TLS. */
export const CERTIFICATE_FILE = fileURLToPath(new URL('../fixtures/tls/certificate.pem', import.meta.url));
const KEY_FILE = fileURLToPath(new URL('../fixtures/tls/key.pem', import.meta.url));

export const COMMIT = 'c'.repeat(40);
export const REPO = 'IDEA-CCNL/Faulty';

/**
 * The files as a Hugging Face repository REPO, as the ModelScope repository REPO, and at /files/<path>, over http or
 * https. With a rate, connections are slowed down.
 */
export async function startFaultServer(
  files: Readonly<Record<string, ServedFile>>,
  { tls = false, port = 0 }: { readonly tls?: boolean; readonly port?: number } = {},
): Promise<FaultServer> {
  const counts = new Map<string, number>();
  const state = { sentBytes: 0, requests: [] as string[], authorizations: new Set<string>() };
  const listener: RequestListener = (request, response) => {
    const url = new URL(request.url ?? '/', 'http://x');
    if (request.headers.authorization) state.authorizations.add(request.headers.authorization);
    const listing = listingOf(url, files);
    if (listing !== undefined)
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(listing));
    const name = fileOf(url);
    const file = name === undefined ? undefined : files[name];
    if (!file || name === undefined) return void response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
    if (url.pathname.startsWith(`/${REPO}/`)) describeFile(response, file);
    // what clients ask before they ask for bytes; faults are for the bytes
    if (request.method === 'HEAD')
      return void response.writeHead(200, { 'content-length': file.body.length, 'accept-ranges': 'bytes' }).end();
    state.requests.push(`${name} ${request.headers.range ?? '-'}`);
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    count_(response, state, file.rate);
    const { fault = 'none' } = file;
    (typeof fault === 'string' ? FAULTS[fault] : fault)({
      ...rangeOf(request, file.body),
      count,
      response,
      body: file.body,
    });
  };
  const server = tls
    ? createTlsServer({ key: readFileSync(KEY_FILE), cert: readFileSync(CERTIFICATE_FILE) }, listener)
    : createServer(listener);
  server.on('clientError', (_error, socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return Object.assign(state, {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

// --- internal ---

function fileOf(url: URL): string | undefined {
  if (url.pathname.startsWith('/files/')) return decodeURIComponent(url.pathname.slice(7));
  if (url.pathname === `/api/v1/models/${REPO}/repo`) return url.searchParams.get('FilePath') ?? undefined;
  const [, name] = new RegExp(`^/${REPO}/resolve/(?:${COMMIT}|main)/(.+)$`).exec(url.pathname) ?? [];
  return name === undefined ? undefined : decodeURIComponent(name);
}

/** What the hub's own client wants to know of a file, from the headers of any answer. */
function describeFile(response: ServerResponse, file: ServedFile): void {
  response.setHeader('x-repo-commit', COMMIT);
  response.setHeader('x-linked-size', file.body.length);
  response.setHeader('x-linked-etag', `"${hashOf(file)}"`);
  response.setHeader('etag', ETAG);
}

function rangeOf({ headers }: IncomingMessage, body: Buffer) {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
  const ifRange = headers['if-range'] as string | undefined;
  if (first === undefined) return { start: 0, end: body.length, hasRange: false, ifRange };
  return {
    start: Number(first),
    end: Math.min(body.length, last ? Number(last) + 1 : body.length),
    hasRange: true,
    ifRange,
  };
}

/** Counts what goes out; with a rate, big bodies go out in small portions. */
function count_(response: ServerResponse, state: { sentBytes: number }, rate: number | undefined): void {
  const end = response.end.bind(response);
  const write = response.write.bind(response);
  response.write = ((chunk: Buffer, ...rest: []) => {
    state.sentBytes += chunk.length;
    return write(chunk, ...rest);
  }) as typeof response.write;
  response.end = ((chunk?: Buffer) => {
    if (!Buffer.isBuffer(chunk)) return end(chunk);
    if (rate === undefined) {
      state.sentBytes += chunk.length;
      return end(chunk);
    }
    let at = 0;
    const portion = Math.ceil(rate / 50);
    const timer = setInterval(() => {
      if (response.destroyed || at >= chunk.length) {
        clearInterval(timer);
        end();
        return;
      }
      const part = chunk.subarray(at, at + portion);
      at += part.length;
      state.sentBytes += part.length;
      write(part);
    }, 20);
    return response;
  }) as typeof response.end;
}

function listingOf({ pathname }: URL, files: Readonly<Record<string, ServedFile>>): unknown {
  const entries = Object.entries(files).map(([name, file]) => ({ name, size: file.body.length, hash: hashOf(file) }));
  const hub = `/api/models/${REPO}`;
  if (pathname === hub || pathname.startsWith(`${hub}/revision/`)) {
    const siblings = entries.map(({ name, size, hash }) => ({
      rfilename: name,
      size,
      blobId: 'b'.repeat(40),
      lfs: { sha256: hash, size, pointerSize: 134 },
    }));
    return { id: REPO, modelId: REPO, sha: COMMIT, private: false, tags: [], downloads: 0, likes: 0, siblings };
  }
  if (pathname.startsWith(`${hub}/tree/`))
    return entries.map(({ name, size, hash }) => ({
      type: 'file',
      path: name,
      size,
      oid: 'b'.repeat(40),
      lfs: { oid: hash, size, pointerSize: 134 },
    }));
  if (pathname !== `/api/v1/models/${REPO}/repo/files`) return undefined;
  const blobs = entries.map(({ name, size, hash }) => ({
    Name: name,
    Path: name,
    Type: 'blob',
    Size: size,
    Sha256: hash,
  }));
  return { Code: 200, Success: true, Data: { Files: [...blobs, { Path: 'd', Type: 'tree', Size: 0 }] } };
}

const hashes = new WeakMap<Buffer, string>();

function hashOf({ body, listedSha256 }: ServedFile): string {
  if (listedSha256 !== undefined) return listedSha256;
  const hash = hashes.get(body) ?? sha256(body);
  hashes.set(body, hash);
  return hash;
}
