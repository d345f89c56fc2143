/** fsb list: models (or tasks) that fsb knows, and what of them is on this machine. */
import { Option } from 'commander';
import { allModels, evalDefault, type RegistryModel } from '../../registry/registry.ts';
import { SERIES } from '../../registry/schema.ts';
import { formatBytes, formatParameters } from '../../util/format.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions, Context } from '../context.ts';
import { type LocalState, localState } from '../local-state.ts';
import { formatTable } from '../table.ts';

interface Options extends CommonOptions {
  readonly series?: string;
  readonly task?: string;
  readonly local?: boolean;
  readonly tasks?: boolean;
}

export const command: CommandModule = {
  declare(command, run) {
    command
      .addOption(new Option('--series <name>', 'only one series').choices(SERIES))
      .option('--task <tag>', 'only models for a task, e.g. fill-mask or text-classification')
      .option('--local', 'only what is on this machine')
      .option('--tasks', 'the evaluation tasks instead of the models')
      .action(
        run(async (context, options: Options) => {
          if (options.tasks) await listTasks(context);
          else await listModels(context, options);
        }),
      );
    example(command, 'fsb list --series erlangshen', 'fsb list --task fill-mask --json', 'fsb list --tasks');
  },
};

// --- internal ---

async function listModels(context: Context, options: Options): Promise<void> {
  const registry = await context.registry();
  const states = await Promise.all(
    allModels(registry)
      .filter((model) => !options.series || model.series === options.series)
      .filter(
        (model) =>
          !options.task || model.task === options.task || model.moreTasks.some((task) => task === options.task),
      )
      .map(async (model) => ({ model, state: await localState(model.name, context.environment.home) })),
  );
  const shown = states.filter(({ state }) => !options.local || state.checkpoints.length + state.models.length > 0);
  const document = { schema: 'fsb.list/1', models: shown.map(({ model, state }) => summary(model, state)) };
  if (context.output.json) return context.output.result(document, () => '');
  const rows = document.models.map((entry) => [
    entry.name,
    entry.title[context.environment.language],
    entry.architecture ?? '–',
    entry.task,
    entry.parameters === null ? '?' : formatParameters(entry.parameters),
    entry.sizeBytes === null ? '?' : formatBytes(entry.sizeBytes),
    entry.local.models.length
      ? `model ${entry.local.models.join(', ')}`
      : entry.local.checkpoints.length
        ? 'checkpoint'
        : entry.bundled
          ? 'bundled'
          : '',
  ]);
  context.output.line(
    await formatTable(context.output, ['name', 'title', 'architecture', 'task', 'params', 'size', 'here'], rows, {
      right: [4, 5],
    }),
  );
}

function summary(model: RegistryModel, local: LocalState) {
  const { name, title, series, architecture, task, parameters, sizeBytes, sources } = model;
  return {
    name,
    title,
    series,
    architecture,
    task,
    parameters,
    sizeBytes,
    bundled: sources.some(({ kind }) => kind === 'bundled'),
    local,
  };
}

async function listTasks(context: Context): Promise<void> {
  const { ALL_TASKS } = await import('../../evaluation/tasks/index.ts');
  const { methodsFor } = await import('../../evaluation/training-splits.ts');
  const registry = await context.registry();
  const tasks = Object.values(ALL_TASKS).map((task) => ({
    name: task.name,
    title: task.title,
    labels: task.labels.length,
    metric: task.metric,
    splits: Object.keys(task.splits),
    methods: methodsFor(task),
    defaultModel:
      (evalDefault(registry, task.name) ?? evalDefault(registry, task.publishedAs ?? task.name))?.model ?? null,
  }));
  if (context.output.json) return context.output.result({ schema: 'fsb.list/1', ...{ tasks } }, () => '');
  const rows = tasks.map((task) => [
    task.name,
    task.title[context.environment.language],
    String(task.labels),
    task.splits.join(', '),
    task.defaultModel ?? '–',
  ]);
  context.output.line(
    await formatTable(context.output, ['task', 'title', 'labels', 'splits', 'model without --model'], rows, {
      right: [2],
    }),
  );
}
