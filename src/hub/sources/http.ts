/** One file behind an http(s) URL. */
import path from 'node:path';
import { UsageError } from '../../util/errors.ts';
import { unsafePathReason } from '../../util/relative-path.ts';
import type { HttpClient } from '../http.ts';
import { expiredUrlError, redactUrl } from '../signed-url.ts';
import type { Source } from './source.ts';

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
      const { body, sizeBytes } = await http.get(url, { offset, signal });
      return { chunks: body, sizeBytes };
    },
    async close() {},
  };
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
