/** fsb eval --task TASK[,TASK]: scores a model on CLUE tasks. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Option } from 'commander';
import type { ClueTask } from '../../evaluation/clue-task.ts';
import { loadSplit } from '../../evaluation/dataset.ts';
import { encoderScorer } from '../../evaluation/encoder-scorer.ts';
import { type EvaluationRun, evaluateHead } from '../../evaluation/evaluate.ts';
import { taskReferences } from '../../evaluation/references.ts';
import { runNotes, runTable } from '../../evaluation/report.ts';
import { getClueTask } from '../../evaluation/tasks/index.ts';
import type { Encoder } from '../../pipelines/encoder.ts';
import { resultsFolder } from '../../registry/home.ts';
import { evalDefault, findModel, getDataset } from '../../registry/registry.ts';
import { NotFoundError, UsageError, ValidationError } from '../../util/errors.ts';
import { writeBytes } from '../../util/files.ts';
import { type CommandModule, example } from '../command.ts';
import type { Context } from '../context.ts';
import { ensureDataset } from '../ensure-dataset.ts';
import { environmentOf } from '../provenance.ts';
import { positiveInteger, type RunningOptions, runningOptions, withEncoder } from '../running.ts';
import { formatTable } from '../table.ts';

interface Options extends RunningOptions {
  readonly task: string;
  readonly model?: string;
  readonly split: string;
  readonly method: 'auto' | 'head';
  readonly data?: string;
  readonly limit?: number;
  readonly batchTokens?: number;
  readonly labelOrder?: string;
  readonly out?: string;
  readonly minAccuracy?: number;
}

export const command: CommandModule = {
  declare(command, run) {
    runningOptions(command)
      .requiredOption('--task <names>', 'one or more tasks, comma-separated (fsb list --tasks)')
      .option('--model <model>', 'name, alias, hub id or folder (default: the registry’s model for the task)')
      .option('--split <name>', 'train, dev or test', 'dev')
      .addOption(
        new Option('--method <how>', 'head: a fine-tuned classifier; auto: what the model can do')
          .choices(['auto', 'head'])
          .default('auto'),
      )
      .option('--data <path>', 'the task’s zip or folder, instead of downloading it')
      .option('--limit <n>', 'only the first rows', positiveInteger('--limit'))
      .option('--batch-tokens <n>', 'most tokens per batch, padding included', positiveInteger('--batch-tokens'))
      .option('--label-order <labels>', '"baseline" or comma-separated labels by logit, for a head without id2label')
      .option('--out <dir>', 'where predictions and the report go (default: under FSB_HOME)')
      .option('--min-accuracy <share>', 'exit with 9 when a score is lower, e.g. 0.55', share('--min-accuracy'))
      .action(
        run(async (context, options: Options) => {
          const tasks = options.task.split(',').map(getClueTask);
          const out = path.resolve(options.out ?? path.join(resultsFolder(context.environment.home), runName()));
          const runs: EvaluationRun[] = [];
          for (const task of tasks) runs.push(await evaluateTask(context, task, options, out));
          await writeBytes(path.join(out, 'eval.json'), `${JSON.stringify({ schema: 'fsb.eval/1', runs }, null, 2)}\n`);
          await printRuns(context, runs);
          requireAccuracy(runs, options.minAccuracy);
        }),
      );
    example(
      command,
      'fsb eval --task poet',
      'fsb eval --task afqmc,tnews --model ./my-model --data ./clue',
      'fsb eval --task poet --min-accuracy 0.55 --json',
    );
  },
};

// --- internal ---

async function evaluateTask(context: Context, task: ClueTask, options: Options, out: string): Promise<EvaluationRun> {
  const registry = await context.registry();
  const dataset = getDataset(registry, task.dataset);
  const source = options.data ?? (await ensureDataset(context, task.dataset)).source;
  const data = await loadSplit({
    task,
    source: await ofTask(source, dataset.sources),
    split: options.split,
    limit: options.limit,
    knownFiles: dataset.files,
  });
  const name = options.model ?? (await defaultModel(context, task));
  return withEncoder(context, name, options, async (model) => {
    await warnOfContamination(context, model);
    const progress = await context.output.progress(context.messages.evaluating(task.name), 'rows');
    await mkdir(out, { recursive: true });
    try {
      return await evaluateHead({
        task,
        data,
        scorer: encoderScorer(model),
        model: {
          name: model.manifest.name,
          revision: model.manifest.source.revision ?? null,
          dtype: model.manifest.dtype,
        },
        labelOrder:
          options.labelOrder === undefined || options.labelOrder === 'baseline'
            ? (options.labelOrder as 'baseline' | undefined)
            : options.labelOrder.split(','),
        batchTokens: options.batchTokens,
        published: taskReferences(registry, task, options.split, findModel(registry, model.manifest.name)?.name),
        predictionsFile: path.join(out, `${task.name}.${options.split}.predictions.jsonl`),
        environment: environmentOf(model, options.threads ?? context.environment.threads),
        onProgress: ({ done, total }) => progress.update(done, total),
        signal: context.signal,
      });
    } finally {
      progress.stop();
    }
  });
}

/** A --data folder may hold the zips of several tasks: then the task's own is taken. */
async function ofTask(
  source: string,
  sources: readonly { readonly kind: string; readonly url?: string }[],
): Promise<string> {
  const { isDirectory, pathExists } = await import('../../util/files.ts');
  if (!(await isDirectory(source))) return source;
  for (const { url } of sources) {
    const zip = url === undefined ? undefined : path.join(source, path.basename(new URL(url).pathname));
    if (zip !== undefined && (await pathExists(zip))) return zip;
  }
  return source;
}

async function defaultModel(context: Context, task: ClueTask): Promise<string> {
  const { language } = context.environment;
  const found = evalDefault(await context.registry(), task.name);
  if (!found?.model)
    throw new NotFoundError(`${task.name}: no model was given, and the registry knows none with a head for it`, {
      code: 'no-default-model',
      hint: found?.reason[language] ?? `pass one: fsb eval --task ${task.name} --model NAME|DIR`,
    });
  context.output.note(context.messages.evalModel(task.name, found.model, found.reason[language]));
  return found.model;
}

async function warnOfContamination(context: Context, model: Encoder): Promise<void> {
  const entry = findModel(await context.registry(), model.manifest.name);
  if (entry?.caveats.includes('possibly-contaminated')) context.output.warn(context.messages.contaminated(entry.name));
}

async function printRuns(context: Context, runs: readonly EvaluationRun[]): Promise<void> {
  const { language } = context.environment;
  if (context.output.json) return context.output.result({ schema: 'fsb.eval/1', ...{ runs } }, () => '');
  const { columns, rows } = runTable(runs, language);
  context.output.line(await formatTable(context.output, columns, rows));
  for (const note of runs.flatMap((run) => runNotes(run, language))) context.output.note(note);
  for (const { predictionsFile } of runs)
    if (predictionsFile) context.output.note(context.messages.predictionsIn(predictionsFile));
}

function requireAccuracy(runs: readonly EvaluationRun[], least: number | undefined): void {
  if (least === undefined) return;
  const low = runs.filter(({ accuracy }) => accuracy < least);
  if (low.length === 0) return;
  throw new ValidationError(
    low
      .map(({ task, accuracy }) => `${task}: accuracy ${accuracy.toFixed(4)} is below --min-accuracy ${least}`)
      .join('; '),
    {
      code: 'accuracy-too-low',
    },
  );
}

function share(flag: string): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (value.trim() !== '' && number >= 0 && number <= 1) return number;
    throw new UsageError(`${flag} ${value}: expected a share from 0 to 1, such as 0.55`, { code: 'bad-number' });
  };
}

/** Unique, and sorted by time in a listing. */
function runName(): string {
  return `eval-${new Date().toISOString().replace(/[-:]|\.\d+Z/g, '')}-${randomBytes(2).toString('hex')}`;
}
