/** What went wrong on the network, as the error that says who should act. Messages never carry secrets. */
import { type FsbError, messageOf, NetworkError, NotFoundError, RefusedError } from '../util/errors.ts';
import type { HttpProxy, TunnelError } from './proxy.ts';
import { redactText, redactUrl } from './signed-url.ts';

export interface FailedResponse {
  /** As it was asked for, not yet redacted. */
  readonly url: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The first kilobytes of the answer. */
  readonly body: string;
  readonly hasToken: boolean;
  /** Another address than `url` gave the answer. */
  readonly isRedirected?: boolean | undefined;
  readonly proxy?: HttpProxy | undefined;
}

interface Meaning {
  readonly type: typeof RefusedError | typeof NotFoundError | typeof NetworkError;
  readonly code: string;
  readonly text: string;
  readonly hint: string;
}

const TOKEN_HINT = 'accept the terms on its page and set HF_TOKEN to a token that may read it';
const RERUN_HINT = 'run the same command again';
const LATER_HINT = 'try again later, or pull from another source';

/** By the hub's own error code, which is finer than the status: a missing repository answers 401 to strangers. */
const HUB_CODES: Readonly<Record<string, Meaning>> = {
  RepoNotFound: {
    type: NotFoundError,
    code: 'repository-not-found',
    text: 'there is no such repository, or it is private',
    hint: 'check the name; for a private repository set HF_TOKEN',
  },
  RevisionNotFound: {
    type: NotFoundError,
    code: 'revision-not-found',
    text: 'the repository has no such revision',
    hint: 'leave --revision out, or take a branch, tag or commit from its page',
  },
  EntryNotFound: {
    type: NotFoundError,
    code: 'file-not-found',
    text: 'the repository has no such file in this revision',
    hint: 'list it with --dry-run',
  },
  GatedRepo: { type: RefusedError, code: 'gated-repository', text: 'the repository is gated', hint: TOKEN_HINT },
};

const STATUS_MEANINGS: Readonly<Record<number, Meaning>> = {
  401: { type: RefusedError, code: 'unauthorized', text: 'the server wants authentication', hint: TOKEN_HINT },
  403: { type: RefusedError, code: 'forbidden', text: 'the server refuses access', hint: TOKEN_HINT },
  404: { type: NotFoundError, code: 'url-not-found', text: 'nothing is there', hint: 'check the address' },
  407: {
    type: RefusedError,
    code: 'proxy-authentication',
    text: 'the proxy wants authentication',
    hint: 'put user and password into HTTPS_PROXY, as in http://user:password@proxy:3128',
  },
  410: {
    type: RefusedError,
    code: 'expired-url',
    text: 'it is gone: the link expired or was withdrawn',
    hint: 'ask for a new link, or pull from another source',
  },
  408: { type: NetworkError, code: 'server-error', text: 'the server timed out', hint: LATER_HINT },
  416: {
    type: NetworkError,
    code: 'range-not-satisfiable',
    text: 'the file there is shorter than expected',
    hint: 'it may have changed: run the same command again, or pull from another source',
  },
  425: { type: NetworkError, code: 'server-error', text: 'the server is not ready', hint: LATER_HINT },
  429: { type: NetworkError, code: 'rate-limited', text: 'too many requests', hint: LATER_HINT },
};

const SERVER_ERROR: Meaning = { type: NetworkError, code: 'server-error', text: 'the server failed', hint: LATER_HINT };
const REQUEST_REFUSED: Meaning = {
  type: RefusedError,
  code: 'request-refused',
  text: 'the server refuses the request',
  hint: 'check the address, and that nothing between here and the server answers in its place',
};
/** Answers to CONNECT. The proxy tells of hosts that it cannot reach by a status of 500 and above. */
const TUNNEL_FAILED: Meaning = {
  type: NetworkError,
  code: 'proxy-error',
  text: 'the proxy has no connection to the server',
  hint: 'try again later, or name hosts in NO_PROXY that need no proxy',
};
const TUNNEL_REFUSED: Meaning = {
  type: RefusedError,
  code: 'proxy-refused',
  text: 'the proxy refuses a connection to the server',
  hint: 'use a proxy that allows it, name hosts in NO_PROXY that need no proxy, or pull from another source',
};
const EXPIRED: Meaning = { ...STATUS_MEANINGS[410]!, text: 'the link has expired' };

/** Causes that are worth a line of their own, by the code of the system, OpenSSL or undici error. */
const TRANSPORT_CAUSES: readonly (readonly [RegExp, string, string])[] = [
  [/^(ENOTFOUND|EAI_)/, 'the host name cannot be resolved', 'check the network, HTTPS_PROXY, or HF_ENDPOINT'],
  [/^ECONNREFUSED$/, 'the connection is refused', 'check the address, the network and HTTPS_PROXY'],
  [/TIMEOUT$|^ETIMEDOUT$/, 'the server does not answer in time', LATER_HINT],
  [
    /CERT|SELF_SIGNED|UNABLE_TO_|^ERR_TLS/,
    'its TLS certificate is not trusted',
    'behind a company proxy set NODE_EXTRA_CA_CERTS',
  ],
  [/^(ECONNRESET|EPIPE|UND_ERR_SOCKET|UND_ERR_RES_CONTENT_LENGTH_MISMATCH)$/, 'the connection broke', RERUN_HINT],
];

/** The error for an answer that is not the wanted file. */
export function statusError(response: FailedResponse): FsbError {
  const { type: ErrorType, code, text, hint } = meaningOf(response);
  const { status, hasToken, proxy } = response;
  const url = redactUrl(response.url);
  const detail = serverMessage(response);
  const retryAfter = retryAfterMs(String(response.headers['retry-after'] ?? ''));
  // only 407 is the proxy's own for sure; others may be the server's by way of it
  const where = status === 407 ? placeOf(response.url, proxy) : url;
  return new ErrorType(`${where}: ${text} (HTTP ${status}${detail && `, "${detail}"`})`, {
    code,
    hint:
      status === 407 && proxy?.authorization !== undefined
        ? 'correct user and password in HTTPS_PROXY (special characters as %XX)'
        : hint === TOKEN_HINT && hasToken
          ? 'the token that was sent may not read it: accept the terms on its page, or use another token'
          : hint,
    facts: {
      url,
      status,
      ...(retryAfter !== undefined && { retryAfterMs: retryAfter }),
      ...(response.isRedirected && { redirected: true }),
      ...(proxy && { proxy: proxy.label }),
    },
  });
}

/** The error for a proxy that made no connection to the server. */
export function tunnelError({ status, headers }: TunnelError, url: string, proxy: HttpProxy): FsbError {
  if (status === 407) return statusError({ url, status, headers, body: '', hasToken: false, proxy });
  const { type: ErrorType, code, text, hint } = status >= 400 && status < 500 ? TUNNEL_REFUSED : TUNNEL_FAILED;
  return new ErrorType(`${placeOf(url, proxy)}: ${text} (HTTP ${status})`, {
    code,
    hint,
    facts: { url: redactUrl(url), status, proxy: proxy.label },
  });
}

/** The error for a connection that could not be made or broke. */
export function transportError(error: unknown, url: string, proxy?: HttpProxy): NetworkError {
  const causes = causesOf(error);
  const code = causes.map((cause) => (cause as NodeJS.ErrnoException).code).find((c) => c !== undefined) ?? '';
  const [, text, hint] = TRANSPORT_CAUSES.find(([pattern]) => pattern.test(code)) ?? [
    '',
    'the connection failed',
    LATER_HINT,
  ];
  const detail = redactText(messageOf(causes.at(-1) ?? error));
  return new NetworkError(`${placeOf(url, proxy)}: ${text} (${detail || code})`, {
    code: 'connection-failed',
    hint: proxy && hint !== RERUN_HINT ? `check that the proxy is up and right; ${hint}` : hint,
    facts: { url: redactUrl(url), ...(code && { cause: code }), ...(proxy && { proxy: proxy.label }) },
    cause: error,
  });
}

/** True for errors of the system's network calls, OpenSSL and undici; false for everything that is a bug of ours. */
export function isTransportError(error: unknown): boolean {
  const transport = /^(UND_ERR_|E[A-Z_]+$|HPE_|CERT_|ERR_(TLS|SSL|STREAM_PREMATURE)|SELF_SIGNED|UNABLE_TO_|DEPTH_ZERO)/;
  return causesOf(error).some((cause) => transport.test((cause as NodeJS.ErrnoException).code ?? ''));
}

/** Retry-After in either form, seconds or a date (RFC 9110, 10.2.3), as ms from now; undefined when it is neither. */
export function retryAfterMs(value: string, now = Date.now()): number | undefined {
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1000;
  const date = /[a-z]/i.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

// --- internal ---

function placeOf(url: string, proxy: HttpProxy | undefined): string {
  return redactUrl(url) + (proxy ? ` through the proxy ${proxy.label}` : '');
}

function meaningOf({ status, headers, body }: FailedResponse): Meaning {
  const hubMeaning = HUB_CODES[String(headers['x-error-code'] ?? '')];
  if (hubMeaning) return hubMeaning;
  // OBS, OSS and S3 answer 403 with "Request has expired" in XML.
  if (status === 403 && /expired/i.test(body)) return EXPIRED;
  return STATUS_MEANINGS[status] ?? (status >= 500 || status < 400 ? SERVER_ERROR : REQUEST_REFUSED);
}

function serverMessage({ headers, body }: FailedResponse): string {
  const text = String(headers['x-error-message'] ?? /<Message>([^<]*)<\/Message>/.exec(body)?.[1] ?? '');
  return redactText(text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim()).slice(0, 200);
}

function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  for (let e = error; e instanceof Error && causes.length < 5; e = e instanceof AggregateError ? e.errors[0] : e.cause)
    causes.push(e);
  return causes;
}
