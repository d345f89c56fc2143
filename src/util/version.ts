/** The version of this package, for manifests, user agents and --version. */
import { readFileSync } from 'node:fs';

/** package.json lies two levels up, from src/util as from dist/util. */
export const FSB_VERSION = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
