/** A folder behind a URL that holds the files of a repository under their names, as universities and companies keep them. */
import { UnsupportedError } from '../../util/errors.ts';
import type { HttpClient } from '../http.ts';
import { redactUrl } from '../signed-url.ts';
import { openFrom, openRangeOf } from './http.ts';
import type { Source, SourceFile } from './source.ts';

/** `url` ends in "/". Files are opened by the names that another source listed; `list` throws UnsupportedError. */
export function httpFolderSource(url: string, http: HttpClient): Source {
  const label = redactUrl(url);
  const urlOf = (file: SourceFile): string => new URL(file.path.split('/').map(encodeURIComponent).join('/'), url).href;
  return {
    label,
    async list() {
      throw new UnsupportedError(`${label}: a folder behind a URL has no listing; it can only help another source`, {
        code: 'no-listing',
        hint: 'give the URL of a zip, or pull from a hub as well',
      });
    },
    open: (file, offset, signal) => openFrom(http, urlOf(file), offset, { signal }),
    openRange: (file, range, { validator, signal }) =>
      openRangeOf(http, urlOf(file), range, { ifRange: validator, signal }),
    async close() {},
  };
}
