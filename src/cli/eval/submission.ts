/** fsb eval --submission FILE.zip writes answers for a leaderboard; fsb eval lint FILE checks such a file. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ClueTask } from '../../evaluation/clue-task.ts';
import { answersOf, predictSplit } from '../../evaluation/evaluate.ts';
import { JOURNAL_SUFFIX } from '../../evaluation/merge.ts';
import { type Complaint, lintSubmission, submissionText } from '../../evaluation/submission.ts';
import {
  BENCHMARKS,
  type Benchmark,
  type SubmissionForm,
  submissionPlace,
  taskOfFormerName,
  taskOfSubmission,
} from '../../evaluation/submission-files.ts';
import { getClueTask } from '../../evaluation/tasks/index.ts';
import { IntegrityError, NotFoundError, UsageError, ValidationError } from '../../util/errors.ts';
import { makeFolder, pathExists, writeBytes } from '../../util/files.ts';
import { zipBytes } from '../../util/write-zip.ts';
import { openZip } from '../../util/zip.ts';
import type { Context } from '../context.ts';
import { environmentOf } from '../provenance.ts';
import type { EvalOptions } from './options.ts';
import { openMethod, outFolder, withAnsweringModel } from './run.ts';
import { type ChosenTask, chooseTasks, loadTask } from './tasks.ts';
import { answeringsOf } from './training.ts';

/** Complaints shown; --json has all. */
const MAX_SHOWN = 20;
/** The largest real file is that of cmnli, under 1 MB. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** Where several benchmarks fit: the one whose tests are today's. */
const BY_PREFERENCE = ['clue1.1', 'clue', 'fewclue', 'zeroclue'] as const satisfies readonly Benchmark[];

/** Predicts the test split of each task and zips the answers. */
export async function writeSubmission(context: Context, names: string, options: EvalOptions): Promise<void> {
  const target = path.resolve(options.submission!);
  if (options.limit !== undefined || options.shard !== undefined)
    throw new UsageError('--submission answers the whole test split: leave --limit and --shard out', {
      code: 'partial-submission',
    });
  if (options.method === 'few-shot')
    throw new UsageError('--submission holds one answer per row, few-shot gives one per fold', {
      code: 'submission-of-folds',
      hint: 'train on one split: --method probe --train-split train_few_all',
    });
  if (!target.toLowerCase().endsWith('.zip'))
    throw new UsageError(`--submission ${options.submission}: expected a .zip file`, { code: 'not-a-zip' });
  const tasks = await chooseTasks(names);
  const benchmark = benchmarkOf(
    tasks.map(({ task }) => task),
    options.benchmark,
  );
  const out = outFolder(context, options.out);
  await makeFolder(out);
  const files: { name: string; bytes: Uint8Array }[] = [];
  for (const chosen of tasks) {
    const { file, split, form } = submissionPlace(benchmark, chosen.task.name)!;
    files.push({
      name: file,
      bytes: Buffer.from(await answerTask(context, chosen, { split: options.split ?? split, form, out }, options)),
    });
  }
  await makeFolder(path.dirname(target));
  await writeBytes(target, zipBytes(files));
  const document = { schema: 'fsb.eval-submission/1', file: target, benchmark, entries: files.map(({ name }) => name) };
  context.output.result(document, () => target);
}

/** Checks a submission; throws ValidationError (exit code 9) with what is wrong. */
export async function lintFile(context: Context, file: string, options: EvalOptions): Promise<void> {
  const named = options.task === undefined ? undefined : (await chooseTasks(options.task)).map(({ task }) => task);
  const entries = await readEntries(file);
  const benchmark = benchmarkOf(named ?? [], options.benchmark ?? (named ? undefined : benchmarkOfFiles(entries)));
  const complaints: Complaint[] = [];
  const found = new Set<string>();
  for (const { name, bytes } of entries) {
    const base = path.posix.basename(name);
    const former = taskOfFormerName(benchmark, base);
    const key = taskOfSubmission(benchmark, base) ?? former;
    const task = key === undefined ? onlyTask(entries, named) : getClueTask(key);
    if (!task) {
      complaints.push({ file: name, message: `is no file of ${benchmark}` });
      continue;
    }
    const { file: rightName, form } = submissionPlace(benchmark, task.name)!;
    if (former !== undefined) complaints.push({ file: name, message: `is called ${rightName} since September 2021` });
    if (name !== base) complaints.push({ file: name, message: 'lies in a folder; the leaderboard reads the root' });
    found.add(task.name);
    const expectedIds = await testIds(context, task, benchmark, options);
    complaints.push(...lintSubmission({ task, form, file: name, bytes, expectedIds }));
  }
  for (const task of named ?? [])
    if (!found.has(task.name))
      complaints.push({ file: submissionPlace(benchmark, task.name)?.file ?? task.name, message: 'is missing' });
  report(context, file, entries.length, complaints);
}

// --- internal ---

async function answerTask(
  context: Context,
  chosen: ChosenTask,
  { split, form, out }: { readonly split: string; readonly form: SubmissionForm; readonly out: string },
  options: EvalOptions,
): Promise<string> {
  const { task } = chosen;
  const data = await loadTask(context, chosen, options, split);
  return withAnsweringModel(context, task, options, async (model) => {
    if (options.method === 'auto') context.output.note(context.messages.evalMethod(task.name, model.methodName));
    const [answering] = await answeringsOf(context, chosen, options, model.methodName, data);
    const base = path.join(out, `${task.name}.${data.split}`);
    const method = await openMethod(context, model, task, options, answering!, base);
    const progress = await context.output.progress(context.messages.evaluating(task.name), 'rows');
    const { manifest } = model;
    try {
      const { header, batches } = await predictSplit({
        task,
        data,
        method,
        methodAsked: options.method,
        model: { name: manifest.name, revision: manifest.source.revision ?? null, dtype: manifest.dtype },
        modelFiles: Object.fromEntries(manifest.source.files.map((item) => [item.path, item.sha256])),
        batchTokens: options.batchTokens,
        journalFile: `${base}${JOURNAL_SUFFIX}`,
        resume: options.resume,
        environment: environmentOf(model, options.threads ?? context.environment.threads),
        onProgress: ({ done, total }) => progress.update(done, total),
        signal: context.signal,
      });
      const rows = batches.flatMap((batch) => batch.rows).sort((a, b) => a.index - b.index);
      return submissionText(form, answersOf(header, rows));
    } finally {
      progress.stop();
    }
  });
}

/** The named benchmark, or the one that has all tasks: FewCLUE's, CLUE 1.1 (whose tests are today's), else CLUE. */
function benchmarkOf(tasks: readonly ClueTask[], named?: Benchmark): Benchmark {
  const lacks = (benchmark: Benchmark): ClueTask | undefined =>
    tasks.find((task) => submissionPlace(benchmark, task.name) === undefined);
  const found = named ?? BY_PREFERENCE.find((benchmark) => !lacks(benchmark));
  const lacking = found && lacks(found);
  if (found && !lacking) return found;
  throw new UsageError(
    lacking ? `${found} has no ${lacking.name}` : `no benchmark has all of ${tasks.map(({ name }) => name).join(', ')}`,
    { code: 'no-benchmark', hint: `submit the tasks of one benchmark: ${BENCHMARKS.join(', ')}` },
  );
}

/** The benchmark that knows every file by name, or undefined. */
function benchmarkOfFiles(entries: readonly { readonly name: string }[]): Benchmark | undefined {
  return BY_PREFERENCE.find((benchmark) =>
    entries.every(({ name }) => taskOfSubmission(benchmark, path.posix.basename(name)) !== undefined),
  );
}

/** A single plain file under any name belongs to the single task that --task names. */
const onlyTask = (entries: readonly unknown[], named: readonly ClueTask[] | undefined): ClueTask | undefined =>
  entries.length === 1 && named?.length === 1 ? named[0] : undefined;

async function testIds(
  context: Context,
  task: ClueTask,
  benchmark: Benchmark,
  options: EvalOptions,
): Promise<readonly (string | number)[] | undefined> {
  if (options.data === undefined) return undefined;
  const split = options.split ?? submissionPlace(benchmark, task.name)?.split ?? 'test';
  try {
    return (await loadTask(context, { task }, { ...options, seed: 0 }, split)).examples.map(({ id }) => id);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    context.output.warn(`${task.name}: ids are not compared, ${error.message}`);
    return undefined;
  }
}

async function readEntries(file: string): Promise<{ name: string; bytes: Uint8Array }[]> {
  if (!(await pathExists(file))) throw new NotFoundError(`${file} does not exist`, { code: 'file-not-found' });
  if (!file.toLowerCase().endsWith('.zip')) return [{ name: path.basename(file), bytes: await readFile(file) }];
  const archive = await openZip(file);
  try {
    const entries: { name: string; bytes: Uint8Array }[] = [];
    for (const entry of archive.entries) {
      if (entry.sizeBytes > MAX_FILE_BYTES)
        throw new IntegrityError(
          `${file}/${entry.path}: ${entry.sizeBytes} bytes; a submission has at most ${MAX_FILE_BYTES}`,
          {
            code: 'submission-too-large',
          },
        );
      const chunks: Buffer[] = [];
      for await (const chunk of archive.stream(entry)) chunks.push(chunk as Buffer);
      entries.push({ name: entry.path, bytes: Buffer.concat(chunks) });
    }
    return entries;
  } finally {
    await archive.close();
  }
}

function report(context: Context, file: string, entries: number, complaints: readonly Complaint[]): void {
  const ok = complaints.length === 0;
  if (context.output.json)
    context.output.result({ schema: 'fsb.eval-lint/1', ...{ ok, file, entries, complaints } }, () => '');
  else if (ok) context.output.line(context.messages.lintOk(file, entries));
  else
    for (const { file: name, line, message } of complaints.slice(0, MAX_SHOWN))
      context.output.line(`${name}${line === undefined ? '' : `, line ${line}`}: ${message}`);
  if (!ok) throw new ValidationError(`${file}: ${complaints.length} complaints`, { code: 'submission-malformed' });
}
