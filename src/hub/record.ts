/** What a checkpoint's folder was filled with, kept in it as `.fsb-checkpoint.json`, so that verify can compare later. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { pathExists, syncFile } from '../util/files.ts';
import { parseWith, readJson } from '../util/json.ts';
import { unsafePathReason } from '../util/relative-path.ts';

export const RECORD_FILE = '.fsb-checkpoint.json';
const SCHEMA_ID = 'fsb.checkpoint/1';
/** As in the listings it comes from. */
const MAX_FILES = 10_000;

const recordSchema = z.object({
  schema: z.literal(SCHEMA_ID),
  name: z.string(),
  /** Label of the source, without secrets. */
  source: z.string(),
  /** Commit of a hub repository; null for archives and folders. */
  revision: z.string().nullable(),
  /** The revision that was asked for (a branch or tag), null when none was. */
  requestedRevision: z.string().nullable(),
  /** Globs of --include and --exclude; empty for the usual files. */
  include: z.array(z.string()),
  exclude: z.array(z.string()),
  files: z
    .array(
      z.object({
        path: z.string().refine((name) => unsafePathReason(name) === undefined, 'expected a relative path'),
        sizeBytes: z.number().int().nonnegative(),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
        source: z.string(),
      }),
    )
    .max(MAX_FILES),
});

export type CheckpointRecord = z.infer<typeof recordSchema>;

/** The record of a folder, or undefined when it has none. Throws IntegrityError when it is malformed. */
export async function readRecord(folder: string): Promise<CheckpointRecord | undefined> {
  const file = path.join(folder, RECORD_FILE);
  if (!(await pathExists(file))) return undefined;
  return parseWith(recordSchema, await readJson(file), file);
}

/** Writes the record; the folder is still a temporary one, so no rename is needed. Without it all would be fetched again. */
export async function writeRecord(folder: string, record: Omit<CheckpointRecord, 'schema'>): Promise<void> {
  const file = path.join(folder, RECORD_FILE);
  await writeFile(file, `${JSON.stringify({ schema: SCHEMA_ID, ...record }, null, 2)}\n`);
  await syncFile(file);
}
