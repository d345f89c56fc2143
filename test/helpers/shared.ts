/** Larger reference sets that lie beside the repository; tests use them when present and say so when not. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const SHARED = fileURLToPath(new URL('../../../shared', import.meta.url));

/** The path of a shared set, or undefined with a line on stderr. */
export function sharedSet(name: string): string | undefined {
  const folder = path.join(SHARED, name);
  if (existsSync(folder)) return folder;
  console.warn(`not run: the reference set "${name}" is not beside this repository`);
  return undefined;
}
