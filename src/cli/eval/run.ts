/** fsb eval --task: runs the tasks one after the other and reports. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { ClueTask } from '../../evaluation/clue-task.ts';
import type { LoadedSplit } from '../../evaluation/dataset.ts';
import { type EvaluationRun, evaluate } from '../../evaluation/evaluate.ts';
import { showShard } from '../../evaluation/journal.ts';
import type { LabelOrder } from '../../evaluation/labels.ts';
import { JOURNAL_SUFFIX } from '../../evaluation/merge.ts';
import type { Method, MethodName } from '../../evaluation/methods/method.ts';
import { type AnsweringModel, chooseMethod, openForMethod } from '../../evaluation/methods/open.ts';
import type { Shard } from '../../evaluation/predict.ts';
import { taskReferences } from '../../evaluation/references.ts';
import { runBase } from '../../evaluation/run-header.ts';
import { parseShard } from '../../evaluation/shard.ts';
import type { OpenModelOptions } from '../../pipelines/encoder.ts';
import { resultsFolder } from '../../registry/home.ts';
import { readManifest } from '../../registry/manifest.ts';
import { evalDefault, findModel } from '../../registry/registry.ts';
import { NotFoundError, UsageError } from '../../util/errors.ts';
import { makeFolder } from '../../util/files.ts';
import type { Context } from '../context.ts';
import { ensureModel } from '../ensure.ts';
import { environmentOf } from '../provenance.ts';
import { withModel } from '../running.ts';
import type { EvalOptions } from './options.ts';
import { reportRuns } from './report.ts';
import { type ChosenTask, chooseTasks, loadTask } from './tasks.ts';
import { type Answering, answeringsOf } from './training.ts';

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
  await makeFolder(out);
  if (options.model !== undefined && tasks.length > 1) await requireAnswers(context, options.model, tasks, options);
  const runs: EvaluationRun[] = [];
  for (const chosen of tasks) runs.push(...(await evaluateTask(context, chosen, options, { out, shard })));
  await reportRuns(context, runs, options, { out, tasks: tasks.map(({ task }) => task) });
}

/** Opens the model a task is to be answered by and gives it to `use`. */
export async function withAnsweringModel<T>(
  context: Context,
  task: ClueTask,
  options: EvalOptions,
  use: (model: AnsweringModel) => Promise<T>,
): Promise<T> {
  const asked = options.model ?? (await defaultModel(context, task));
  return withModel(context, asked, options, opener(task, options), async (model) => {
    await warnOfContamination(context, model.manifest.name);
    const { name, dtype, quantisation } = model.manifest;
    if (quantisation?.scheme === 'columns') context.output.warn(context.messages.dependsOnBatch(name, dtype));
    return use(model);
  });
}

/** The method as the options want it, with its probe trained where it has one; files of the run begin with `base`. */
export async function openMethod(
  context: Context,
  model: AnsweringModel,
  task: ClueTask,
  options: EvalOptions,
  { training, fold }: Answering,
  base: string,
): Promise<Method> {
  const asked = { labelOrder: labelOrderOf(options), lmForm: options.lmForm };
  if (!training) return model.method(task, asked);
  const { output, messages, signal } = context;
  const reading = await output.progress(messages.readingFeatures(task.name, training.train.split), 'rows');
  const fitting = await output.progress(messages.fitting(task.name), 'penalties');
  try {
    return await model.method(task, {
      ...asked,
      training: {
        ...training,
        files: base,
        resume: options.resume,
        onProgress: (done, total) => reading.update(done, total),
        onStep: (tried, total) => {
          reading.stop();
          fitting.update(tried, total);
        },
        onTrained: ({ l2, fitted, heldOut, path: tried }) => {
          fitting.stop();
          output.note(messages.trained(task.name, fold ?? training.train.split, fitted, heldOut, l2, tried.length));
        },
        signal,
      },
    });
  } finally {
    reading.stop();
    fitting.stop();
  }
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
  const folder = await ensureModel(context, name, { ...options, auto: options.auto ?? true });
  const manifest = await readManifest(folder);
  const labelOrder = labelOrderOf(options);
  const byMethod = new Map<MethodName, ClueTask[]>();
  for (const { task } of tasks) {
    const method = options.method === 'auto' ? chooseMethod(manifest, task, labelOrder) : options.method;
    byMethod.set(method, [...(byMethod.get(method) ?? []), task]);
  }
  for (const [method, asked] of byMethod) {
    // the rows that a probe is trained on are not read yet
    if (method === 'probe' || method === 'few-shot') continue;
    await withModel(context, name, { ...options, explain: false }, opener(asked[0]!, options), async (model) => {
      for (const task of asked) await model.method(task, { labelOrder, lmForm: options.lmForm });
    });
  }
}

/** Opens a model for a task by the method that the options ask for. */
function opener(task: ClueTask, options: EvalOptions) {
  return (folder: string, opening: OpenModelOptions): Promise<AnsweringModel> =>
    openForMethod(folder, { method: options.method, task, labelOrder: labelOrderOf(options) }, opening);
}

async function evaluateTask(
  context: Context,
  chosen: ChosenTask,
  options: EvalOptions,
  { out, shard }: { readonly out: string; readonly shard: Shard | undefined },
): Promise<EvaluationRun[]> {
  const { task } = chosen;
  const data = await loadTask(context, chosen, options);
  return withAnsweringModel(context, task, options, async (model) => {
    if (options.method === 'auto') context.output.note(context.messages.evalMethod(task.name, model.methodName));
    const runs: EvaluationRun[] = [];
    try {
      for (const answering of await answeringsOf(context, chosen, options, model.methodName, data))
        runs.push(await evaluateOnce(context, model, { task, data, answering }, options, { out, shard }));
    } catch (error) {
      if (context.signal.aborted) context.output.note(context.messages.resumeHint(options.out ?? out));
      throw error;
    }
    return runs;
  });
}

async function evaluateOnce(
  context: Context,
  model: AnsweringModel,
  { task, data, answering }: { readonly task: ClueTask; readonly data: LoadedSplit; readonly answering: Answering },
  options: EvalOptions,
  { out, shard }: { readonly out: string; readonly shard: Shard | undefined },
): Promise<EvaluationRun> {
  const { fold } = answering;
  const base = path.join(out, runBase({ task: task.name, split: data.split, fold: fold ?? null }));
  const method = await openMethod(context, model, task, options, answering, base);
  const progress = await context.output.progress(context.messages.evaluating(task.name), 'rows');
  const registry = await context.registry();
  const { manifest } = model;
  try {
    return await evaluate({
      task,
      data,
      method,
      methodAsked: options.method,
      fold,
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
  } finally {
    progress.stop();
  }
}

/** "baseline", or the labels one by one. */
function labelOrderOf({ labelOrder }: EvalOptions): LabelOrder | undefined {
  return labelOrder === undefined || labelOrder === 'baseline' ? labelOrder : labelOrder.split(',');
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
