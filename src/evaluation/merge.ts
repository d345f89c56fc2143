/**
 * Puts the shards of a run together: every batch of the whole once, no more and no less. The reports are made by the same
 * functions as a single run's, from the same header and rows, and equal it byte for byte when both began on the same day
 * and on like machines: `startedAt` is the earliest shard's, and what differs between machines in `environment` is listed.
 * `seconds` is the sum; it stands in the JSON documents alone.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { IntegrityError, NotFoundError } from '../util/errors.ts';
import { differingFields, type JournalContent, readJournal, showShard } from './journal.ts';
import type { ScoredBatch } from './predict.ts';
import { type RunHeader, runBase } from './run-header.ts';

export const JOURNAL_SUFFIX = '.journal.jsonl';

/** Shards lie in the folder itself or one below, each in its own. */
const MAX_DEPTH = 4;

/** Gaps named in messages. */
const MAX_SHOWN = 10;

export interface MergedRun {
  readonly header: RunHeader;
  readonly batches: readonly ScoredBatch[];
  readonly files: readonly string[];
}

/**
 * The runs whose journals lie in a folder, one per task, split and fold, in the order they were started. Errors:
 * NotFoundError, and those of mergeJournals.
 */
export async function mergeFolder(folder: string): Promise<MergedRun[]> {
  const files = await findJournals(folder);
  const groups = new Map<string, { file: string; content: JournalContent }[]>();
  for (const file of files) {
    const content = await readJournal(file);
    if (!content) continue;
    const key = runBase(content.header);
    groups.set(key, [...(groups.get(key) ?? []), { file, content }]);
  }
  if (groups.size === 0)
    throw new NotFoundError(`${folder} holds no journals (*${JOURNAL_SUFFIX})`, {
      code: 'no-journals',
      hint: 'give the --out folder of the shards, or the folder that holds theirs',
    });
  // every shard takes the tasks in the order they were asked for, so the earliest starts tell that order
  const startOf = ({ header }: MergedRun): string => header.startedAt;
  return [...groups.values()]
    .map(mergeJournals)
    .sort((a, b) => (startOf(a) < startOf(b) ? -1 : startOf(a) > startOf(b) ? 1 : 0));
}

/**
 * Joins journals of one task and split.
 * @throws IntegrityError when they are of different runs, a row is covered twice, or rows are missing
 */
export function mergeJournals(
  parts: readonly { readonly file: string; readonly content: JournalContent }[],
): MergedRun {
  const first = parts[0]!;
  for (const { file, content } of parts) {
    const fields = differingFields(first.content.header, content.header);
    if (fields.length > 0)
      throw new IntegrityError(`${file} and ${first.file} are of different runs: they differ in ${fields.join(', ')}`, {
        code: 'shards-differ',
        hint: 'run all shards with the same model, data and options',
      });
  }
  const batches = parts.flatMap(({ content }) => content.batches);
  checkCoverage(first.content.header, parts, batches);
  const headers = parts.map(({ content }) => content.header);
  return {
    header: {
      ...first.content.header,
      shard: null,
      startedAt: headers.map(({ startedAt }) => startedAt).sort()[0]!,
      environment: joinEnvironments(headers.map(({ environment }) => environment)),
    },
    batches: [...batches].sort((a, b) => a.batch - b.batch),
    files: parts.map(({ file }) => file),
  };
}

// --- internal ---

function checkCoverage(
  { task, split, examples }: RunHeader,
  parts: readonly { readonly file: string; readonly content: JournalContent }[],
  batches: readonly ScoredBatch[],
): void {
  const counts = new Uint32Array(examples);
  for (const { rows } of batches)
    for (const { index } of rows) {
      if (index >= examples)
        throw new IntegrityError(`${task} ${split}: row ${index} is outside the ${examples} examples of the run`, {
          code: 'shard-coverage',
        });
      counts[index]!++;
    }
  const where = (wanted: (count: number) => boolean): number[] =>
    [...counts.entries()].filter(([, count]) => wanted(count)).map(([index]) => index);
  const twice = where((count) => count > 1);
  const missing = where((count) => count === 0);
  if (twice.length === 0 && missing.length === 0) return;
  const shards = parts.map(
    ({ file, content }) =>
      `${content.header.shard ? showShard(content.header.shard) : 'whole'} (${path.basename(path.dirname(file))})`,
  );
  throw new IntegrityError(
    `${task} ${split}: ${[describe(missing, 'missing'), describe(twice, 'covered more than once')].filter(Boolean).join('; ')}; found ${shards.join(', ')}`,
    {
      code: 'shard-coverage',
      hint:
        missing.length > 0
          ? 'run the missing shards, or go on with unfinished ones by --resume'
          : 'merge each shard once',
      facts: { missing: missing.length, twice: twice.length },
    },
  );
}

function describe(rows: readonly number[], what: string): string {
  if (rows.length === 0) return '';
  const shown = rows.slice(0, MAX_SHOWN).join(', ');
  return `${rows.length} rows ${what} (${shown}${rows.length > MAX_SHOWN ? ', …' : ''})`;
}

/** Fields that all machines share as they are, others as the list of what there was. */
function joinEnvironments(all: readonly Readonly<Record<string, unknown>>[]): Readonly<Record<string, unknown>> {
  const names = [...new Set(all.flatMap((environment) => Object.keys(environment)))];
  return Object.fromEntries(
    names.map((name) => {
      const values = [
        ...new Map(all.map((environment) => [JSON.stringify(environment[name]), environment[name]])).values(),
      ];
      return [name, values.length === 1 ? values[0] : values];
    }),
  );
}

async function findJournals(folder: string, depth = 1): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory() && depth < MAX_DEPTH) found.push(...(await findJournals(full, depth + 1)));
    else if (entry.name.endsWith(JOURNAL_SUFFIX)) found.push(full);
  }
  return found.sort();
}
