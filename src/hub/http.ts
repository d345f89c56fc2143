/**
 * GET over undici: proxies from the environment, redirects followed by hand so that a token goes to its own host and
 * no further, idle timeouts instead of a total one, and every failure as an FsbError without secrets.
 */
import type { Dispatcher } from 'undici';
import { NetworkError, RefusedError } from '../util/errors.ts';
import { type ChunkHandler, type Exchange, exchange, HandlerError, steadyConnector } from './exchange.ts';
import { isTransportError, statusError, transportError, tunnelError } from './http-errors.ts';
import { type HttpProxy, openProxy, proxyFor, tunnelErrorOf } from './proxy.ts';
import { redactUrl } from './signed-url.ts';

export interface HttpOptions {
  /** Refuse every request. @default false */
  readonly offline?: boolean | undefined;
  /** Connecting, in ms. @default 15_000 */
  readonly connectTimeoutMs?: number | undefined;
  /** Until the headers, and between two chunks of the body, in ms. @default 60_000 */
  readonly idleTimeoutMs?: number | undefined;
}

/** A bearer token and the only origin (scheme, host, port) that may see it. */
export interface HostToken {
  readonly value: string;
  readonly origin: string;
}

/** Bytes `start` to `end` (exclusive); without `end` to the last. */
export interface ByteRange {
  readonly start: number;
  readonly end?: number | undefined;
}

export interface GetOptions {
  /** Asked for in a Range header; a server may still answer with the whole, see HttpResponse.start. */
  readonly range?: ByteRange | undefined;
  /** A former answer's `validator`: the range only if the file is still that one, else the whole (If-Range). */
  readonly ifRange?: string | undefined;
  readonly token?: HostToken | undefined;
  readonly accept?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of the first answer: a redirect's, where there was one. */
  readonly firstHeaders: HttpResponse['headers'];
  /** Bytes that will follow; undefined when the server does not say. */
  readonly sizeBytes: number | undefined;
  /** Offset of the first byte that follows: 0 when the server sends the whole in spite of a range. */
  readonly start: number;
  /** Size of the whole file, as far as the answer tells. */
  readonly totalBytes: number | undefined;
  /** ETag, else Last-Modified: the same as long as the file is. */
  readonly validator: string | undefined;
  /** 206: the server knows ranges. */
  readonly isPartial: boolean;
  /** Hands over the bytes that follow, without copies; for large bodies. What `onChunk` throws ends the connection. */
  read(onChunk: ChunkHandler): Promise<void>;
  /** The same bytes for everyone else, instead of `read`. Leaving it early ends the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface HttpClient {
  /** The answer to a GET with status 200, or 206 to a range; anything else throws. */
  get(url: string, options?: GetOptions): Promise<HttpResponse>;
  close(): Promise<void>;
}

/** Hubs redirect two or three times; more is a loop. */
const MAX_REDIRECTS = 10;
const MAX_ERROR_BODY_BYTES = 4096;
/** Reading on is cheaper than a new connection. */
const MAX_DUMPED_BYTES = 128 << 10;
const USER_AGENT = 'fsb';

/** A client with its own connections; undici is loaded with the first request. The caller closes it. */
export function createHttpClient({
  offline,
  connectTimeoutMs = 15_000,
  idleTimeoutMs = 60_000,
}: HttpOptions = {}): HttpClient {
  const openDirect = async (): Promise<Dispatcher> => {
    const { Agent, buildConnector } = await import('undici');
    return new Agent({
      connect: steadyConnector(buildConnector, { timeout: connectTimeoutMs }),
      headersTimeout: idleTimeoutMs,
      bodyTimeout: idleTimeoutMs,
    });
  };
  /** By the proxy's URL; "" is the direct way. */
  const ways = new Map<string, Promise<Dispatcher>>();
  const wayTo = async (url: URL): Promise<Way> => {
    const proxy = proxyFor(url);
    const key = proxy?.url.href ?? '';
    const opening = ways.get(key) ?? (proxy ? openProxy(proxy, { connectTimeoutMs, idleTimeoutMs }) : openDirect());
    ways.set(key, opening);
    return { dispatcher: await opening, proxy };
  };
  return {
    async get(url, options = {}) {
      if (offline)
        throw new NetworkError(`${redactUrl(url)} is needed, and fsb is offline`, {
          code: 'offline',
          hint: 'unset FSB_OFFLINE and HF_HUB_OFFLINE, or import the files from a disk (fsb import)',
        });
      return getFollowing(wayTo, url, options);
    },
    async close() {
      for (const opening of ways.values()) await (await opening).destroy();
    },
  };
}

// --- internal ---

interface Way {
  readonly dispatcher: Dispatcher;
  readonly proxy: HttpProxy | undefined;
}

async function getFollowing(
  wayTo: (url: URL) => Promise<Way>,
  firstUrl: string,
  options: GetOptions,
): Promise<HttpResponse> {
  const { signal, token, range, ifRange } = options;
  let url = new URL(firstUrl);
  let firstHeaders: HttpResponse['headers'] | undefined;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const hasToken = token !== undefined && url.origin === token.origin;
    const request = {
      'user-agent': USER_AGENT,
      'accept-encoding': 'identity', // sizes, ranges and hashes are of the file's own bytes
      accept: options.accept ?? '*/*',
      ...(range && { range: `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}` }),
      ...(range && isStrong(ifRange) && { 'if-range': ifRange }),
      ...authorization(url, hasToken ? token.value : undefined),
    };
    const { dispatcher, proxy } = await wayTo(url);
    const named = <T>(work: Promise<T>): Promise<T> => work.catch((error) => rethrow(error, firstUrl, proxy, signal));
    const answer = await named(exchange(dispatcher, url, request, signal));
    const { status, headers } = answer;
    firstHeaders ??= headers;
    const location = headers.location;
    if (status >= 300 && status < 400 && typeof location === 'string') {
      await readStart(answer);
      url = redirectTarget(url, location);
      continue;
    }
    if (status === 200 || (status === 206 && range)) {
      checkEncoding(headers, firstUrl);
      const sizeBytes = contentLength(headers);
      const read = (onChunk: ChunkHandler): Promise<void> => named(answer.read(onChunk));
      const part = status === 206 && range ? readRange(headers, range, firstUrl) : undefined;
      return {
        headers,
        firstHeaders,
        sizeBytes,
        start: part?.start ?? 0,
        totalBytes: part ? part.totalBytes : sizeBytes,
        validator: validatorOf(headers),
        isPartial: part !== undefined,
        read,
        body: chunksOf(read, answer),
      };
    }
    const isRedirected = url.href !== new URL(firstUrl).href;
    const body = await readStart(answer);
    throw statusError({ url: firstUrl, status, headers, body, hasToken, isRedirected, proxy });
  }
  throw new NetworkError(`${redactUrl(firstUrl)}: more than ${MAX_REDIRECTS} redirects`, { code: 'redirect-loop' });
}

function redirectTarget(from: URL, location: string): URL {
  const target = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  if (!target || !/^https?:$/.test(target.protocol))
    throw new NetworkError(`${redactUrl(from.href)}: redirects to ${redactUrl(location)}, which is no web address`, {
      code: 'bad-redirect',
    });
  if (from.protocol === 'https:' && target.protocol === 'http:')
    throw new RefusedError(`${redactUrl(from.href)}: redirects to the unencrypted ${redactUrl(target.href)}`, {
      code: 'insecure-redirect',
      hint: 'something between here and the server may be reading along; try another network',
    });
  return target;
}

function authorization(url: URL, token: string | undefined): Record<string, string> {
  if (token !== undefined) return { authorization: `Bearer ${token}` };
  if (!url.username) return {};
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

function checkEncoding(headers: HttpResponse['headers'], url: string): void {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    throw new NetworkError(`${redactUrl(url)}: asked for the bytes as they are, got them encoded as ${encoding}`, {
      code: 'unexpected-encoding',
      hint: 'something between here and the server changes the answers; try another network or mirror',
    });
}

function readRange(
  headers: HttpResponse['headers'],
  { start, end }: ByteRange,
  url: string,
): { start: number; totalBytes: number | undefined } {
  const text = String(headers['content-range'] ?? '');
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(text) ?? [];
  if (Number(first) !== start || (end !== undefined && Number(last) >= end))
    throw new NetworkError(
      `${redactUrl(url)}: asked for bytes ${start} to ${end === undefined ? 'the end' : end - 1}, got "${text.slice(0, 80)}"`,
      { code: 'wrong-range', hint: 'the server or something on the way confuses byte ranges; try another mirror' },
    );
  return { start, totalBytes: total === undefined || total === '*' ? undefined : Number(total) };
}

function validatorOf(headers: HttpResponse['headers']): string | undefined {
  const { etag, 'last-modified': modified } = headers;
  return typeof etag === 'string' ? etag : typeof modified === 'string' ? modified : undefined;
}

/** If-Range takes strong ETags and dates, no weak ETags (RFC 9110, 13.1.5). */
function isStrong(validator: string | undefined): validator is string {
  return validator !== undefined && !validator.startsWith('W/');
}

function contentLength(headers: HttpResponse['headers']): number | undefined {
  const length = Number(headers['content-length'] ?? Number.NaN);
  return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
}

function rethrow(error: unknown, url: string, proxy: HttpProxy | undefined, signal: AbortSignal | undefined): never {
  signal?.throwIfAborted();
  if (error instanceof HandlerError) throw error.cause;
  const refusal = proxy && tunnelErrorOf(error);
  if (refusal) throw tunnelError(refusal, url, proxy);
  throw isTransportError(error) ? transportError(error, url, proxy) : error;
}

/** The body as an iterable: one chunk waits, copied, while the connection does. */
async function* chunksOf(read: HttpResponse['read'], answer: Exchange): AsyncGenerator<Uint8Array> {
  let chunk: Buffer | undefined;
  let taken = (): void => undefined;
  let wake = (): void => undefined;
  let isDone = false;
  const done = read((bytes) => {
    chunk = Buffer.from(bytes);
    wake();
    return new Promise((resolve) => {
      taken = resolve;
    });
  }).finally(() => {
    isDone = true;
    wake();
  });
  done.catch(() => undefined); // thrown below
  try {
    for (;;) {
      if (!chunk && !isDone)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      if (!chunk) return await done;
      const bytes = chunk;
      chunk = undefined;
      yield bytes;
      taken();
    }
  } finally {
    answer.abandon(); // nothing happens when it is all here
  }
}

/** The first kilobytes of an answer that is not wanted, without its connection's end where it is short. */
async function readStart(answer: Exchange): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    await answer.read((chunk) => {
      chunks.push(Buffer.from(chunk.subarray(0, MAX_ERROR_BODY_BYTES - bytes)));
      bytes += chunk.length;
      if (bytes > MAX_DUMPED_BYTES) answer.abandon();
      return undefined;
    });
  } catch {
    // The status already says what is wrong; the rest of the answer would only have been a detail.
  }
  return Buffer.concat(chunks).toString('utf8');
}
