/**
 * Which proxy a request goes through, by HTTP_PROXY, HTTPS_PROXY (else HTTP_PROXY) and NO_PROXY, and connections through
 * it. The choice is made here and not in undici's agent for it, so that an error can name the proxy.
 */
import type { Dispatcher, ProxyAgent } from 'undici';
import { UsageError } from '../util/errors.ts';
import { redactUrl } from './signed-url.ts';

export interface HttpProxy {
  /** For messages: without user and password. */
  readonly label: string;
  readonly url: URL;
  /** Proxy-Authorization, from user and password in the variable. */
  readonly authorization: string | undefined;
}

/** The proxy's answer when it was asked for a connection and did not make one. */
export class TunnelError extends Error {
  readonly status: number;
  readonly headers: Dispatcher.ConnectData['headers'];

  constructor({ statusCode, headers }: Pick<Dispatcher.ConnectData, 'statusCode' | 'headers'>) {
    super(`the proxy answered ${statusCode} to CONNECT`);
    this.status = statusCode;
    this.headers = headers;
  }
}

/** What the proxy refused, of an error from its dispatcher: undici keeps its 407 to plain requests from us but for the words. */
export function tunnelErrorOf(error: unknown): TunnelError | undefined {
  if (error instanceof TunnelError) return error;
  const isRefused = error instanceof Error && error.message.startsWith('Proxy Authentication Required');
  return isRefused ? new TunnelError({ statusCode: 407, headers: {} }) : undefined;
}

export interface ProxyTimeouts {
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** The schemes of the proxies that undici speaks to. */
const SCHEMES = /^(https?|socks5?):$/;
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/** undefined for a direct connection. Throws UsageError when the variable is no address of a proxy. */
export function proxyFor(url: URL, variables: Variables = process.env): HttpProxy | undefined {
  const read = (name: string): string | undefined => variables[name.toLowerCase()] ?? variables[name];
  const names = url.protocol === 'https:' ? ['HTTPS_PROXY', 'HTTP_PROXY'] : ['HTTP_PROXY'];
  const name = names.find((candidate) => read(candidate));
  if (name === undefined || isExcepted(url, read('NO_PROXY') ?? '')) return undefined;
  return parseProxy(name, read(name)!);
}

/** What sends requests through the proxy: over a tunnel, plain http as a request to the proxy itself. */
export async function openProxy(
  proxy: HttpProxy,
  { connectTimeoutMs, idleTimeoutMs }: ProxyTimeouts,
): Promise<Dispatcher> {
  const { Pool, ProxyAgent } = await import('undici');
  class TunnelPool extends Pool {
    // undici's own error tells the status in its message only
    override async connect(options: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> {
      const answer = await super.connect(options);
      if (answer.statusCode === 200) return answer;
      answer.socket.on('error', () => undefined).destroy();
      throw new TunnelError(answer);
    }
  }
  const tls = { timeout: connectTimeoutMs };
  const options: ProxyAgent.Options = {
    uri: proxy.url.href,
    ...(proxy.authorization !== undefined && { token: proxy.authorization }),
    ...(/^http/.test(proxy.url.protocol) && { proxyTls: tls, requestTls: tls }),
    clientFactory: (origin, settings) => new TunnelPool(origin, { ...settings, headersTimeout: idleTimeoutMs }),
    headersTimeout: idleTimeoutMs,
    bodyTimeout: idleTimeoutMs,
    proxyTunnel: false, // plain http is asked of a proxy as usual: most allow CONNECT to port 443 only
  };
  return new ProxyAgent(options);
}

// --- internal ---

/** "proxy:3128" is http, as in curl. */
function parseProxy(name: string, value: string): HttpProxy {
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !SCHEMES.test(url.protocol) || !url.hostname)
    throw new UsageError(`${name}: expected the address of a proxy such as http://proxy:3128, found ${hidden(value)}`, {
      code: 'bad-proxy',
      hint: `correct ${name}, or unset it for a direct connection`,
    });
  const { username, password, protocol, host } = url;
  const pair = `${decoded(username)}:${decoded(password)}`;
  const authorization = username || password ? `Basic ${Buffer.from(pair).toString('base64')}` : undefined;
  return { label: `${protocol}//${host}`, url, authorization };
}

/** A password with a bare "%" is meant as it stands. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What does not parse may still hold a password before its last "@". */
function hidden(value: string): string {
  return JSON.stringify(redactUrl(value.replace(/^.*@/, '')));
}

/** NO_PROXY: "*", or hosts and domains with their subdomains, each with a port or without. */
function isExcepted({ hostname, port, protocol }: URL, exceptions: string): boolean {
  const host = bare(hostname);
  return exceptions
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((exception) => {
      if (exception === '*') return true;
      const [, name = exception, only] = /^(\[.+\]|[^:]+)(?::(\d+))?$/.exec(exception) ?? [];
      if (only !== undefined && only !== (port || DEFAULT_PORTS[protocol])) return false;
      const domain = bare(name.replace(/^\*?\./, ''));
      return domain !== '' && (host === domain || host.endsWith(`.${domain}`));
    });
}

/** IPv6 addresses without their brackets. */
const bare = (host: string): string => host.replace(/^\[|\]$/g, '');
