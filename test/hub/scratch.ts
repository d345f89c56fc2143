/** A temporary folder per test, and the checks that nearly every test of hub/ makes. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { FsbError } from '../../src/util/errors.ts';

// A proxy of the machine that runs the tests is not to see the requests to the test's own server.
process.env.NO_PROXY = process.env.no_proxy = '127.0.0.1,localhost';

/** Registers a folder that exists during each test; returns a function that joins to it. */
export function useScratch(): (...segments: string[]) => string {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'fsb-hub-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  return (...segments) => path.join(folder, ...segments);
}

/** The FsbError of a promise that must fail with one. */
export async function errorOf(work: Promise<unknown>): Promise<FsbError> {
  const error = await work.then(
    (value) => value,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(FsbError);
  return error as FsbError;
}

/** Everything below a folder, sorted. */
export async function tree(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  return entries
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort();
}
