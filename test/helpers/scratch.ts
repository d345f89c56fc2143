/** A folder for one test file, removed afterwards. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';

export function scratchFolder(name: string): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), `fsb-${name}-`));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
