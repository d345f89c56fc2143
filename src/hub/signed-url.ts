/** URLs that carry secrets or an expiry date: Huawei OBS, Alibaba OSS, Amazon S3 and their like sign links in the query. */
import { RefusedError } from '../util/errors.ts';

const SECRET_PARAMETER =
  /signature|access-?key|credential|token|secret|passw|api-?_?key|policy|key-pair|^(x-amz-)?sig$|^key$|^auth/i;
const HIDDEN = '***';

/** The URL without user information and fragment, and with the values of secret parameters replaced by `***`. */
export function redactUrl(url: string): string {
  const [beforeFragment = ''] = url.split('#', 1);
  const question = beforeFragment.indexOf('?');
  const base = (question < 0 ? beforeFragment : beforeFragment.slice(0, question)).replace(/^(\w+:\/\/)[^/]*@/, '$1');
  if (question < 0) return base;
  const pairs = beforeFragment
    .slice(question + 1)
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=');
      return equals >= 0 && SECRET_PARAMETER.test(pair.slice(0, equals))
        ? `${pair.slice(0, equals + 1)}${HIDDEN}`
        : pair;
    });
  return `${base}?${pairs.join('&')}`;
}

/**
 * Any text (a server's or a library's message) with the secrets of URLs, of parameters without one, of headers and of
 * hubs replaced.
 */
export function redactText(text: string): string {
  return text
    .replace(/\w+:\/\/[^\s"'<>]+/g, redactUrl)
    .replace(/([\w-]+)=([^\s&"'<>()]+)/g, (pair, name) => (SECRET_PARAMETER.test(name) ? `${name}=${HIDDEN}` : pair))
    .replace(/\b(bearer|basic)\s+[\w.~+/=-]+/gi, `$1 ${HIDDEN}`)
    .replace(/\bhf_[A-Za-z0-9]{8,}/g, HIDDEN);
}

/** When a signed link ends: `Expires=` (seconds since 1970) or `X-Amz-Date` + `X-Amz-Expires`; undefined if it does not. */
export function urlExpiry(url: string): Date | undefined {
  const query = new Map([...new URL(url).searchParams].map(([name, value]) => [name.toLowerCase(), value]));
  const seconds = Number(query.get('expires'));
  if (Number.isInteger(seconds) && seconds > 0) return new Date(seconds * 1000);
  const signed = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(query.get('x-amz-date') ?? '');
  const lifetime = Number(query.get('x-amz-expires'));
  if (!signed || !(lifetime > 0)) return undefined;
  const [year, month, day, hour, minute, second] = signed.slice(1).map(Number);
  return new Date(Date.UTC(year!, month! - 1, day!, hour!, minute!, second!) + lifetime * 1000);
}

/** The error for a link that ended before `now`, or undefined: known without asking the server. */
export function expiredUrlError(url: string, now = new Date()): RefusedError | undefined {
  const expiry = urlExpiry(url);
  if (!expiry || expiry > now) return undefined;
  return new RefusedError(`the download link ${redactUrl(url)} expired on ${expiry.toISOString().slice(0, 10)}`, {
    code: 'expired-url',
    hint: 'ask for a new link, pull from another source, or import the zip if you still have it (fsb import ZIP --as NAME)',
    facts: { url: redactUrl(url), expiredAt: expiry.toISOString() },
  });
}
