/** One file behind an http(s) URL. */
import path from 'node:path';
import { NetworkError, UsageError } from '../../util/errors.ts';
import { unsafePathReason } from '../../util/relative-path.ts';
import type { ByteRange, GetOptions, HttpClient } from '../http.ts';
import { expiredUrlError, redactUrl } from '../signed-url.ts';
import type { OpenedFile, OpenedRange, Source } from './source.ts';

/** The file is listed under the last segment of the URL's path; its size is known when it is opened. */
export function httpSource(url: string, http: HttpClient): Source {
  const name = fileNameOf(url);
  return {
    label: redactUrl(url),
    async list() {
      return { revision: undefined, files: [{ path: name }] };
    },
    async open(_file, offset, signal) {
      const expired = expiredUrlError(url);
      if (expired) throw expired;
      return openFrom(http, url, offset, { signal });
    },
    async openRange(_file, range, { validator, signal }) {
      const expired = expiredUrlError(url);
      if (expired) throw expired;
      return openRangeOf(http, url, range, { ifRange: validator, signal });
    },
    async close() {},
  };
}

/** A range of what is behind a URL, as sources give it. */
export async function openRangeOf(
  http: HttpClient,
  url: string,
  range: ByteRange,
  options: Omit<GetOptions, 'range'>,
): Promise<OpenedRange> {
  const { body, ...answer } = await http.get(url, { ...options, range });
  return { ...answer, chunks: body };
}

/** All bytes from an offset on. Throws NetworkError "no-range-support" when the server sends the whole instead. */
export async function openFrom(
  http: HttpClient,
  url: string,
  offset: number,
  options: Omit<GetOptions, 'range'>,
): Promise<OpenedFile> {
  const range = offset > 0 ? { start: offset } : undefined;
  const { body, sizeBytes, start } = await http.get(url, { ...options, range });
  if (start === offset) return { chunks: body, sizeBytes };
  for await (const _ of body) break; // ends the connection
  throw new NetworkError(`${redactUrl(url)}: asked for bytes from ${offset}, got the file from its beginning`, {
    code: 'no-range-support',
  });
}

/** "…/%E9%97%BB%E4%BB%B2-3.5B.zip?Expires=…" → "闻仲-3.5B.zip". Throws UsageError when the URL names no file. */
export function fileNameOf(url: string): string {
  const { pathname } = new URL(url);
  let name: string;
  try {
    name = decodeURIComponent(path.posix.basename(pathname));
  } catch {
    name = path.posix.basename(pathname); // percent signs that encode no UTF-8 stay as they are
  }
  const reason = unsafePathReason(name) ?? (name.includes('/') ? 'a slash in the name' : undefined);
  if (reason)
    throw new UsageError(`${redactUrl(url)}: expected a URL that ends in a file name, found ${reason}`, {
      code: 'url-without-file-name',
    });
  return name;
}
