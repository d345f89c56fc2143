/** A split of a task, from files on the disk to examples in a model's input form. */
import { createHash } from 'node:crypto';
import type { DatasetFile } from '../registry/schema.ts';
import { IntegrityError, NotFoundError, UsageError } from '../util/errors.ts';
import type { ClueRow, ClueTask, RawRow, SplitBytes } from './clue-task.ts';
import { parseJsonLines } from './json-lines.ts';
import { sampleRows } from './sample.ts';
import { plainFileFolder, readSplitFile } from './split-file.ts';

export interface Example extends ClueRow {
  /** The row's own id or, where the file has none, the row's number in the file from 0. Ids may repeat. */
  readonly id: string | number;
}

/** A file of the data set as registry.json knows it. */
export type KnownFile = Pick<DatasetFile, 'path' | 'md5' | 'variants'>;

export interface LoadSplitOptions {
  readonly task: ClueTask;
  /** The published archive, a folder that holds its files, or the split's file itself. */
  readonly source: string;
  /** One of the task's splits, or the name of a JSON lines file in the source ("my-rows.json"). @default "dev" */
  readonly split?: string | undefined;
  /** Keep only so many rows, drawn across the whole file (FewCLUE's files are sorted by label). @default all */
  readonly limit?: number | undefined;
  /** Seed of that draw. The rows of a smaller limit are among those of a larger one. @default 0 */
  readonly seed?: number | undefined;
  /** The data set's files in registry.json, to tell official bytes from others. @default none are known */
  readonly knownFiles?: readonly KnownFile[] | undefined;
}

export interface LoadedSplit {
  readonly split: string;
  /** Where the rows came from, for people: "afqmc_public.zip/dev.json"; several files are joined by ", ". */
  readonly file: string;
  /** Of the file; of the bytes of all files one after the other, where there are several (answers last). */
  readonly md5: string;
  /** Whether these are the official file's bytes; undefined where its md5 is not known. */
  readonly official: boolean | undefined;
  /** What these bytes are, when they are another content known to go about under this name. */
  readonly variant: string | undefined;
  /** In file order, without dropped rows. */
  readonly examples: readonly Example[];
  /** Rows left out for their label ("-"), in the whole file. */
  readonly dropped: number;
  /** Examples before `limit`. */
  readonly available: number;
  /** Seed of the draw when `limit` left something out. */
  readonly sampleSeed?: number | undefined;
  /** False for the test files: they can be predicted, not scored. */
  readonly labelled: boolean;
}

/**
 * Loads a split.
 * @throws NotFoundError for an unknown split or a missing file, IntegrityError (file, line, what was expected) for a
 * broken row, UsageError for a senseless limit.
 */
export async function loadSplit(options: LoadSplitOptions): Promise<LoadedSplit> {
  const { task, source, split = task.defaultSplit ?? 'dev', limit, seed = 0 } = options;
  if (limit !== undefined && !(Number.isInteger(limit) && limit > 0))
    throw new UsageError(`limit: expected a positive whole number, found ${limit}`, { code: 'limit' });
  const wanted = splitFiles(task, split);
  const files = await readFiles(source, wanted);
  const answers = await readAnswers(task, source, split);
  const name = files.map((file) => file.name).join(', ');
  const { examples, dropped } = readExamples(task, files, answers);
  const hash = createHash('md5');
  for (const { bytes } of answers ? [...files, answers] : files) hash.update(bytes);
  const md5 = hash.digest('hex');
  const known = options.knownFiles?.find(
    ({ path }) => wanted.length === 1 && !answers && (path === wanted[0] || path.split('/').at(-1) === wanted[0]),
  );
  const variant = known?.variants.find((other) => other.md5 === md5);
  return {
    split,
    file: name,
    md5,
    official: variant ? false : known?.md5 ? known.md5 === md5 : undefined,
    variant: variant?.note,
    examples: limit === undefined ? examples : sampleRows(examples, limit, seed),
    dropped,
    available: examples.length,
    ...(limit !== undefined && limit < examples.length && { sampleSeed: seed }),
    labelled: examples[0]?.label !== undefined,
  };
}

// --- internal ---

function splitFiles(task: ClueTask, split: string): readonly string[] {
  const known = Object.hasOwn(task.splits, split) ? task.splits[split] : undefined;
  if (known !== undefined) return typeof known === 'string' ? [known] : known;
  if (/^[^/\\]+\.jsonl?$/.test(split)) return [split];
  throw new NotFoundError(`${task.name} has no split "${split}"`, {
    code: 'split-not-found',
    hint: `its splits are ${Object.keys(task.splits).join(', ')}`,
  });
}

/** All files of the split; a source that is one plain file is read once, whatever the split consists of. */
async function readFiles(source: string, wanted: readonly string[]): Promise<SplitBytes[]> {
  const files: SplitBytes[] = [];
  for (const file of wanted) {
    const read = await readSplitFile(source, file);
    if (!files.some(({ name }) => name === read.name)) files.push(read);
  }
  return files;
}

/** The file of answers, from the same archive or folder, or from beside a plain file; undefined where the split has none. */
async function readAnswers(task: ClueTask, source: string, split: string): Promise<SplitBytes | undefined> {
  const file = task.answerFiles?.[split];
  if (file === undefined) return undefined;
  const beside = await plainFileFolder(source);
  return readSplitFile(beside ?? source, file);
}

function* rowsOf(task: ClueTask, files: readonly SplitBytes[], answers?: SplitBytes): Generator<RawRow> {
  for (const file of files)
    if (task.readRows) yield* task.readRows(file, answers);
    else
      for (const { line, value } of parseJsonLines(file.bytes, file.name))
        yield { where: `${file.name}, line ${line}`, line, value };
}

function readExamples(
  task: ClueTask,
  files: readonly SplitBytes[],
  answers?: SplitBytes,
): { examples: Example[]; dropped: number } {
  const name = files.map((file) => file.name).join(', ');
  const values = new Set(task.labels.map((label) => label.value));
  const examples: Example[] = [];
  let dropped = 0;
  let rows = 0;
  let labelled: boolean | undefined;
  for (const { where, line, value } of rowsOf(task, files, answers)) {
    const row = task.parseRow(value, where);
    labelled ??= row.label !== undefined;
    if (labelled !== (row.label !== undefined))
      throw new IntegrityError(
        `${where}: expected ${labelled ? 'a label' : 'no label'} as in the rows before, found ${labelled ? 'none' : `"${row.label}"`}`,
        { code: 'malformed-row', facts: { line } },
      );
    const isDropped = row.label !== undefined && task.droppedLabels.includes(row.label);
    if (row.label !== undefined && !isDropped && values.size > 0 && !values.has(row.label))
      throw new IntegrityError(
        `${where}: expected a label of ${task.name} (${[...values, ...task.droppedLabels].join(', ')}), found "${row.label}"`,
        { code: 'unknown-label', facts: { line, label: row.label } },
      );
    if (isDropped) dropped++;
    else examples.push({ ...row, id: row.id ?? rows });
    rows++;
  }
  if (examples.length === 0)
    throw new IntegrityError(`${name}: expected rows of ${task.name}, found none${dropped > 0 ? ' to score' : ''}`, {
      code: 'empty-split',
    });
  return { examples, dropped };
}
