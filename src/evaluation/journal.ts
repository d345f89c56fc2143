/**
 * The journal of a run: an append-only file with a header line, one line per batch, flushed before the next batch
 * starts, and a line that says when it is finished. Killed at any moment, a run goes on from it and computes nothing twice; the journals of all shards together
 * are what `merge` reads.
 */
import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { writeError } from '../util/disk.ts';
import { IntegrityError, isSystemError, UsageError } from '../util/errors.ts';
import { parseWith } from '../util/json.ts';
import type { ScoredBatch, Shard } from './predict.ts';
import type { RunHeader } from './run-header.ts';

export const JOURNAL_SCHEMA = 'fsb.eval-journal/1';

/** Digits that bring a float32 back to the bit. */
const EXACT_DIGITS = 9;

/** What a header may differ in between a run, its continuation and its shards: who chose the method, when and on what it ran. */
const FREE_FIELDS = ['shard', 'methodAsked', 'startedAt', 'environment'] as const;

export interface JournalContent {
  readonly header: RunHeader;
  readonly batches: readonly ScoredBatch[];
  /** True when the run came to its end: only then is it known that a shard has no more batches. */
  readonly finished: boolean;
  /** Bytes up to the end of the last whole line. */
  readonly sizeBytes: number;
}

export interface Journal {
  /** The header on disk: that of the first start. */
  readonly header: RunHeader;
  /** What former runs did. */
  readonly done: readonly ScoredBatch[];
  append(batch: ScoredBatch): Promise<void>;
  /** Marks the run as finished. */
  finish(): Promise<void>;
  close(): Promise<void>;
}

const headerSchema = z.looseObject({ schema: z.literal(JOURNAL_SCHEMA), task: z.string(), split: z.string() });
/** The last line of a run that came to its end. */
const finishedSchema = z.strictObject({ finished: z.literal(true) });
const batchSchema = z.strictObject({
  batch: z.number().int().nonnegative(),
  seconds: z.number().nonnegative(),
  rows: z
    .array(
      z.strictObject({
        index: z.number().int().nonnegative(),
        id: z.union([z.string(), z.number()]),
        label: z.string().nullable(),
        tokens: z.number().int().nonnegative(),
        texts: z.array(z.string()),
        scores: z.array(z.number()).transform((values) => Float32Array.from(values)),
        group: z.number().int().optional(),
        answer: z.string().optional(),
        answers: z.array(z.string()).optional(),
      }),
    )
    .min(1),
});

/**
 * Opens the journal of a run: a new one, or with `resume` the one that is there.
 * @throws UsageError when an unfinished journal or a finished shard would be lost, or the one there belongs to another run
 */
export async function openJournal(file: string, header: RunHeader, resume: boolean): Promise<Journal> {
  const former = await readJournal(file);
  if (former && resume) return reopen(file, former, header);
  if (former?.finished && former.header.shard)
    throw new UsageError(`${file} holds shard ${showShard(former.header.shard)}, which is finished`, {
      code: 'shard-finished',
      hint: 'fsb eval merge puts the shards together; --resume takes this one as it is; delete the file to run it anew',
    });
  if (former && !isFinished(former))
    throw new UsageError(`${file} holds a run that may be unfinished (${former.batches.length} batches)`, {
      code: 'run-unfinished',
      hint: 'add --resume to go on with it, delete the file to start anew, or name another --out',
    });
  try {
    await mkdir(path.dirname(file), { recursive: true });
    const handle = await open(file, 'w');
    await writeLine(handle, { schema: JOURNAL_SCHEMA, ...header });
    return journalOn(handle, file, { header, batches: [], finished: false });
  } catch (error) {
    throw writeError(error, file);
  }
}

/** Reads a journal; undefined where there is none. A last line without its end was being written when the run was killed. */
export async function readJournal(file: string): Promise<JournalContent | undefined> {
  const bytes = await readFile(file).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (!bytes) return undefined;
  const sizeBytes = bytes.lastIndexOf(0x0a) + 1;
  const lines = bytes.toString('utf8', 0, sizeBytes).split('\n').slice(0, -1);
  if (lines.length === 0) return undefined; // killed while writing the header: nothing was done
  const [head, ...rest] = lines.map((line, i) => parseLine(line, `${file}, line ${i + 1}`));
  const { schema: _, ...header } = parseWith(headerSchema, head, `${file}, line 1`);
  const finished = finishedSchema.safeParse(rest.at(-1)).success;
  const batches = (finished ? rest.slice(0, -1) : rest).map(
    (value, i) => parseWith(batchSchema, value, `${file}, line ${i + 2}`) as ScoredBatch,
  );
  return { header: header as unknown as RunHeader, batches, finished, sizeBytes };
}

/** True when two headers are those of the same run, or of shards of one. */
export function isSameRun(a: RunHeader, b: RunHeader): boolean {
  return isDeepStrictEqual(fixed(a), fixed(b));
}

/** Names of the fields in which two runs differ and must not. */
export function differingFields(a: RunHeader, b: RunHeader): string[] {
  const [x, y] = [fixed(a), fixed(b)] as [Record<string, unknown>, Record<string, unknown>];
  return [...new Set([...Object.keys(x), ...Object.keys(y)])].filter((key) => !isDeepStrictEqual(x[key], y[key]));
}

/** "2/8" */
export const showShard = ({ index, count }: Shard): string => `${index}/${count}`;

// --- internal ---

async function reopen(file: string, former: JournalContent, header: RunHeader): Promise<Journal> {
  if (!isSameRun(former.header, header) || !isDeepStrictEqual(former.header.shard, asJson(header.shard)))
    throw new UsageError(
      `${file} is the journal of another run: it differs in ${[...differingFields(former.header, header), ...(isDeepStrictEqual(former.header.shard, asJson(header.shard)) ? [] : ['shard'])].join(', ')}`,
      { code: 'resume-differs', hint: 'resume with the options of the first start, or name another --out' },
    );
  try {
    const handle = await open(file, 'r+');
    await handle.truncate(former.sizeBytes);
    return journalOn(handle, file, former, former.sizeBytes);
  } catch (error) {
    throw writeError(error, file);
  }
}

function journalOn(
  handle: FileHandle,
  file: string,
  { header, batches, finished }: Omit<JournalContent, 'sizeBytes'>,
  start?: number,
): Journal {
  let position = start;
  const write = async (value: object): Promise<void> => {
    try {
      position = await writeLine(handle, value, position);
    } catch (error) {
      throw writeError(error, file);
    }
  };
  return {
    header,
    done: batches,
    async append({ batch, seconds, rows }) {
      const exact = rows.map((row) => ({
        ...row,
        scores: Array.from(row.scores, (score) => Number(score.toPrecision(EXACT_DIGITS))),
      }));
      await write({ batch, seconds, rows: exact });
    },
    async finish() {
      if (!finished) await write({ finished: true });
    },
    close: () => handle.close(),
  };
}

/** Writes at `position` (default: where the file stands) and flushes. @returns the position after the line, if one was given */
async function writeLine(handle: FileHandle, value: object, position?: number): Promise<number | undefined> {
  const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
  for (let written = 0; written < bytes.length; )
    written += (
      await handle.write(bytes, written, bytes.length - written, position === undefined ? null : position + written)
    ).bytesWritten;
  await handle.datasync();
  return position === undefined ? undefined : position + bytes.length;
}

/** A whole run is finished as well when all its rows are there. */
function isFinished({ header, batches, finished }: JournalContent): boolean {
  if (finished || header.shard) return finished;
  return batches.reduce((sum, { rows }) => sum + rows.length, 0) >= header.examples;
}

function parseLine(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new IntegrityError(`${where}: expected one JSON object`, { code: 'malformed-journal', cause: error });
  }
}

/** A header without the fields that may differ, as it reads from a file. */
function fixed(header: RunHeader): unknown {
  const copy: Record<string, unknown> = { ...asJson(header) };
  for (const field of FREE_FIELDS) delete copy[field];
  const { file: _, ...data } = { ...header.data }; // where the rows lie on a machine; the md5 tells what they are
  return { ...copy, data: asJson(data) };
}

const asJson = <T>(value: T): T => (value === undefined ? value : (JSON.parse(JSON.stringify(value)) as T));
