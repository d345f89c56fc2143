/** fsb eval --task TASK[,TASK]: scores a model on CLUE and FewCLUE tasks; eval merge, eval lint, eval --compare. */
import { type Command, Option } from 'commander';
import { METHODS } from '../../evaluation/methods/method.ts';
import { POOLINGS, parsePooling } from '../../pipelines/embed.ts';
import { UsageError } from '../../util/errors.ts';
import { type CommandModule, example } from '../command.ts';
import type { Context } from '../context.ts';
import type { CompareOptions } from '../eval/compare.ts';
import type { EvalOptions } from '../eval/options.ts';
import { requireRead } from '../eval/read-options.ts';
import { integerList, positiveInteger, runningOptions, wholeNumber } from '../running.ts';

type Options = EvalOptions & CompareOptions;

export const command: CommandModule = {
  declare(command, run) {
    command
      .argument('[action]', 'merge: put shards together; lint: check a submission file')
      .argument('[path]', 'folder of the shards, or the submission file');
    runningOptions(command);
    taskOptions(command);
    longRunOptions(command);
    reportOptions(command);
    command.action(
      run(async (context, action: string | undefined, path: string | undefined, options: Options) => {
        requireRead(command, action ?? (options.compare ? 'compare' : options.submission ? 'submission' : 'run'));
        await dispatch(context, action, path, options);
      }),
    );
    example(
      command,
      'fsb eval --task poet',
      'fsb eval --task poet --model zhouwenwang-mini --method lm --limit 100',
      'fsb eval --task afqmc,tnews --model ./my-model --data ./clue',
      'fsb eval --task tnews --model erlangshen-1.3b --method probe --train-limit 5000',
      'fsb eval --task fewclue --model erlangshen-1.3b --method few-shot',
      'fsb eval --task clue --data ./clue --model erlangshen-1.3b --report report.html',
      'fsb eval --task poet --min-accuracy 0.55 --json',
      'fsb eval --task cmnli --model ./my-model --shard auto/8 --out ./shards --resume',
      'fsb eval merge ./shards',
      'fsb eval --compare a.predictions.jsonl b.predictions.jsonl',
    );
  },
};

// --- internal ---

function taskOptions(command: Command): void {
  command
    .option(
      '--task <names>',
      'tasks, comma-separated (fsb list --tasks); clue, clue1.1, fewclue, or a task file ./mine.json',
    )
    .option('--model <model>', 'name, alias, hub id or folder (default: the registry’s model for the task)')
    .option('--split <name>', 'train, dev, test, … (default: dev, for FewCLUE test_public)')
    .addOption(
      new Option('--method <how>', 'how the model answers; auto: by what it can do')
        .choices(['auto', ...METHODS])
        .default('auto'),
    )
    .addOption(
      new Option('--lm-form <form>', 'where the label stands in a left-to-right prompt (default: label-last)').choices([
        'label-last',
        'label-first',
      ]),
    )
    .option('--data <path>', 'the task’s zip or folder, instead of downloading it')
    .option('--limit <n>', 'only n rows, drawn across the whole file', positiveInteger('--limit'))
    .option('--seed <n>', 'seed of the draws, and of the rows held out from a probe', wholeNumber('--seed'), 0)
    .option('--batch-tokens <n>', 'most tokens per batch, padding included', positiveInteger('--batch-tokens'))
    .option('--label-order <labels>', '"baseline" or comma-separated labels by logit, for a head without id2label')
    .option('--train-split <name>', 'probe: what it is trained on (default: train, for FewCLUE train_few_all)')
    .option('--train-limit <n>', 'probe: only n rows of it, drawn as by --limit', positiveInteger('--train-limit'))
    .option('--pooling <how>', `probe, few-shot: ${POOLINGS.join(', ')} (default: mean)`, parsePooling)
    .option(
      '--folds <numbers>',
      'few-shot: which of the folds train_0, train_1, … (default: all)',
      integerList('--folds'),
    )
    .option('--min-accuracy <share>', 'exit with 9 when a score is lower, e.g. 0.55', share('--min-accuracy'));
}

function longRunOptions(command: Command): void {
  command
    .option('--out <dir>', 'where predictions and reports go (default: under FSB_HOME)')
    .option('--resume', 'go on with the run in --out; nothing is computed twice')
    .option(
      '--shard <i/n>',
      'only the i-th of n parts; auto/n takes i from JOB_COMPLETION_INDEX or SLURM_ARRAY_TASK_ID',
    );
}

function reportOptions(command: Command): void {
  command
    .option('--compare <files...>', 'two predictions files or --out folders: McNemar’s test and flipped examples')
    .addOption(
      new Option('--format <form>', 'form of the table on stdout')
        .choices(['table', 'markdown', 'csv'])
        .default('table'),
    )
    .option('--markdown', 'the same as --format markdown')
    .option('--junit <file>', 'a JUnit report for CI: a test case per task')
    .option('--report <file>', 'a page for people (.html), complete in itself')
    .option('--submission <file>', 'answer the unlabelled test split and write a submission .zip')
    .addOption(
      new Option('--benchmark <name>', 'whose submission it is (default: the one that has the tasks)').choices([
        'clue',
        'clue1.1',
        'fewclue',
        'zeroclue',
      ]),
    );
}

async function dispatch(
  context: Context,
  action: string | undefined,
  path: string | undefined,
  options: Options,
): Promise<void> {
  if (action !== undefined && action !== 'merge' && action !== 'lint')
    throw new UsageError(`fsb eval ${action}: expected merge or lint, or options alone`, {
      code: 'unknown-action',
      hint: `did you mean fsb eval --task ${action}?`,
    });
  if (action !== undefined && path === undefined)
    throw new UsageError(`fsb eval ${action}: expected a path`, { code: 'missing-path' });
  if (action === 'merge') return (await import('../eval/merge.ts')).mergeShards(context, path!, options);
  if (action === 'lint') return (await import('../eval/submission.ts')).lintFile(context, path!, options);
  if (options.compare) return (await import('../eval/compare.ts')).compareFiles(context, options);
  if (options.task === undefined)
    throw new UsageError('required option --task <names> not specified', {
      code: 'missing-task',
      hint: 'the tasks: fsb list --tasks',
    });
  if (options.submission !== undefined)
    return (await import('../eval/submission.ts')).writeSubmission(context, options.task, options);
  return (await import('../eval/run.ts')).runTasks(context, options.task, options);
}

function share(flag: string): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (value.trim() !== '' && number >= 0 && number <= 1) return number;
    throw new UsageError(`${flag} ${value}: expected a share from 0 to 1, such as 0.55`, { code: 'bad-number' });
  };
}
