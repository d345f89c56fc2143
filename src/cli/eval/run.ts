/** fsb eval --task: runs the tasks one after the other and reports. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { ClueTask } from '../../evaluation/clue-task.ts';
import { type EvaluationRun, evaluate } from '../../evaluation/evaluate.ts';
import { showShard } from '../../evaluation/journal.ts';
import { JOURNAL_SUFFIX } from '../../evaluation/merge.ts';
import { type AnsweringModel, type AskedMethod, openForMethod } from '../../evaluation/methods/open.ts';
import type { Shard } from '../../evaluation/predict.ts';
import { taskReferences } from '../../evaluation/references.ts';
import { parseShard } from '../../evaluation/shard.ts';
import type { OpenModelOptions } from '../../pipelines/encoder.ts';
import { resultsFolder } from '../../registry/home.ts';
import { evalDefault, findModel } from '../../registry/registry.ts';
import { NotFoundError, UsageError } from '../../util/errors.ts';
import type { Context } from '../context.ts';
import { environmentOf } from '../provenance.ts';
import { withModel } from '../running.ts';
import type { EvalOptions } from './options.ts';
import { reportRuns } from './report.ts';
import { type ChosenTask, chooseTasks, loadTask } from './tasks.ts';

/** Evaluates the named tasks, writes eval.json and what the options ask for, and prints the table. */
export async function runTasks(context: Context, names: string, options: EvalOptions): Promise<void> {
  const tasks = await chooseTasks(names);
  const shard = options.shard === undefined ? undefined : parseShard(options.shard, process.env);
  if (options.resume && options.out === undefined)
    throw new UsageError('--resume goes on with the run of an --out folder; none was named', {
      code: 'resume-without-out',
      hint: 'name the folder of the run that was broken off: --out DIR --resume',
    });
  const out = outFolder(context, options.out, shard);
  await mkdir(out, { recursive: true });
  if (options.model !== undefined && tasks.length > 1) await requireAnswers(context, options.model, tasks, options);
  const runs: EvaluationRun[] = [];
  for (const chosen of tasks) runs.push(await evaluateTask(context, chosen, options, { out, shard }));
  await reportRuns(context, runs, options, { out, tasks: tasks.map(({ task }) => task) });
}

/** Opens the model a task is to be answered by and gives it to `use`. */
export async function withAnsweringModel<T>(
  context: Context,
  task: ClueTask,
  options: EvalOptions,
  use: (model: AnsweringModel) => Promise<T>,
): Promise<T> {
  const name = options.model ?? (await defaultModel(context, task));
  return withModel(
    context,
    name,
    options,
    (folder, open) => openForMethod(folder, options.method, open),
    async (model) => {
      await warnOfContamination(context, model.manifest.name);
      return use(model);
    },
  );
}

/** What the options say of a method. */
export function askedMethod({ labelOrder, lmForm }: EvalOptions): AskedMethod {
  const order =
    labelOrder === undefined || labelOrder === 'baseline'
      ? (labelOrder as 'baseline' | undefined)
      : labelOrder.split(',');
  return { labelOrder: order, lmForm };
}

/** The --out folder, or a new one under FSB_HOME; a shard has its own below it. */
export function outFolder(context: Context, out: string | undefined, shard?: Shard): string {
  const folder = path.resolve(out ?? path.join(resultsFolder(context.environment.home), runName()));
  return shard ? path.join(folder, `shard-${showShard(shard).replace('/', '-of-')}`) : folder;
}

// --- internal ---

/** Asks before anything is computed whether the model can answer every task: the last one's refusal would cost the others. */
async function requireAnswers(
  context: Context,
  name: string,
  tasks: readonly ChosenTask[],
  options: EvalOptions,
): Promise<void> {
  const open = (folder: string, opening: OpenModelOptions) => openForMethod(folder, options.method, opening);
  await withModel(context, name, options, open, async (model) => {
    for (const { task } of tasks) model.method(task, askedMethod(options));
  });
}

async function evaluateTask(
  context: Context,
  chosen: ChosenTask,
  options: EvalOptions,
  { out, shard }: { readonly out: string; readonly shard: Shard | undefined },
): Promise<EvaluationRun> {
  const { task } = chosen;
  const data = await loadTask(context, chosen, options);
  return withAnsweringModel(context, task, options, async (model) => {
    const method = model.method(task, askedMethod(options));
    if (options.method === 'auto') context.output.note(context.messages.evalMethod(task.name, method.name));
    const progress = await context.output.progress(context.messages.evaluating(task.name), 'rows');
    const registry = await context.registry();
    const { manifest } = model;
    const base = path.join(out, `${task.name}.${data.split}`);
    try {
      return await evaluate({
        task,
        data,
        method,
        model: { name: manifest.name, revision: manifest.source.revision ?? null, dtype: manifest.dtype },
        modelFiles: Object.fromEntries(manifest.source.files.map(({ path: file, sha256 }) => [file, sha256])),
        batchTokens: options.batchTokens,
        published: taskReferences(registry, task, data.split, findModel(registry, manifest.name)?.name, method.name),
        predictionsFile: `${base}.predictions.jsonl`,
        journalFile: `${base}${JOURNAL_SUFFIX}`,
        resume: options.resume,
        shard,
        environment: environmentOf(model, options.threads ?? context.environment.threads),
        onProgress: ({ done, total }) => progress.update(done, total),
        signal: context.signal,
      });
    } catch (error) {
      if (context.signal.aborted) context.output.note(context.messages.resumeHint(options.out ?? out));
      throw error;
    } finally {
      progress.stop();
    }
  });
}

async function defaultModel(context: Context, task: ClueTask): Promise<string> {
  const { language } = context.environment;
  const registry = await context.registry();
  const found = evalDefault(registry, task.name) ?? evalDefault(registry, task.publishedAs ?? task.name);
  if (!found?.model)
    throw new NotFoundError(`${task.name}: no model was given, and the registry knows none with a head for it`, {
      code: 'no-default-model',
      hint: found?.reason[language] ?? `pass one: fsb eval --task ${task.name} --model NAME|DIR`,
    });
  context.output.note(context.messages.evalModel(task.name, found.model, found.reason[language]));
  return found.model;
}

async function warnOfContamination(context: Context, name: string): Promise<void> {
  const entry = findModel(await context.registry(), name);
  if (entry?.caveats.includes('possibly-contaminated')) context.output.warn(context.messages.contaminated(entry.name));
}

/** Unique, and sorted by time in a listing. */
function runName(): string {
  return `eval-${new Date().toISOString().replace(/[-:]|\.\d+Z/g, '')}-${randomBytes(2).toString('hex')}`;
}
