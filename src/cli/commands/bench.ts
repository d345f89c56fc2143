/** fsb bench [MODEL]: speed and memory on this machine, beside what the machine can do. */
import { Option } from 'commander';
import { parseDtype } from '../../convert/dtypes.ts';
import { UsageError } from '../../util/errors.ts';
import { type BenchOptions, runBench, SUITES } from '../bench/run.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions } from '../context.ts';
import { deviceOptions, positiveInteger } from '../running.ts';

type Options = CommonOptions & BenchOptions;

/** An odd number of rounds has a middle one. */
const DEFAULT_ROUNDS = 5;
const DEFAULT_NEW_TOKENS = 64;

export const command: CommandModule = {
  declare(command, run) {
    command.argument('[model]', 'name, alias, hub id or folder (default: --suite minis)');
    deviceOptions(command)
      .option(
        '--dtype <types>',
        'types of the converted model, comma-separated (default: fp32, for large decoders int8; of a suite its own)',
        dtypes,
      )
      .option('--no-auto', 'do not pull or convert what is missing')
      .option('--batch <sizes>', 'rows that run together, comma-separated', list('--batch'))
      .option('--sequence <lengths>', 'tokens of each row or prompt, comma-separated', list('--sequence'))
      .option('--new-tokens <n>', 'tokens that decoders generate', positiveInteger('--new-tokens'), DEFAULT_NEW_TOKENS)
      .option('--rounds <n>', 'trials of everything, in turns', positiveInteger('--rounds'), DEFAULT_ROUNDS)
      .addOption(
        new Option('--suite <name>', 'instead of a model: the models that come with fsb, or the machine alone').choices(
          Object.keys(SUITES),
        ),
      )
      .addOption(
        new Option('--format <form>', 'form of the tables on stdout').choices(['table', 'markdown']).default('table'),
      )
      .option('--compare <file>', 'divide by an earlier run, saved with --json')
      .option(
        '--fail-if <conditions>',
        'exit with 9 when one holds: decode<0.9 (of --compare), loadMs>500, several with commas',
      )
      .action(
        run(async (context, model: string | undefined, options: Options) => {
          if (model !== undefined && options.suite !== undefined)
            throw new UsageError(`--suite ${options.suite}: stands instead of a model, found ${model}`, {
              code: 'suite-and-model',
            });
          await runBench(context, model, options);
        }),
      );
    example(
      command,
      'fsb bench erlangshen-mini',
      'fsb bench wenzhong-mini --dtype fp32,int8,int4 --sequence 64,128',
      'fsb bench erlangshen-mini --batch 1,32 --sequence 128 --format markdown',
      'fsb bench --suite machine',
      'fsb bench wenzhong-mini --json > before.json',
      "fsb bench wenzhong-mini --compare before.json --fail-if 'decode<0.9,rss>1.2'",
    );
  },
};

// --- internal ---

function list(flag: string): (value: string) => number[] {
  return (value) => value.split(',').map(positiveInteger(flag));
}

function dtypes(value: string): string[] {
  return value.split(',').map(parseDtype);
}
