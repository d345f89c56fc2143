/** fsb pull NAME: prints the checkpoint folder's path. */
import type { PullOptions } from '../../hub/pull.ts';
import { checkpointFolder } from '../../registry/home.ts';
import { getModel, type RegistryModel } from '../../registry/registry.ts';
import { formatBytes } from '../../util/format.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions, Context } from '../context.ts';
import { pullEntry, pullSettings } from '../ensure.ts';

interface Options extends CommonOptions {
  readonly mirror: readonly string[];
  readonly revision?: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

const collect = (value: string, former: readonly string[]): string[] => [...former, value];

export const command: CommandModule = {
  declare(command, run) {
    command
      .argument('<name>', 'registry name, alias or hub id')
      .option(
        '--mirror <url>',
        'take it from here first: https: or file: URL or path of a zip, or a folder (repeatable)',
        collect,
        [],
      )
      .option('--revision <rev>', 'branch, tag or commit of the hub repository')
      .option('--include <glob>', 'only these files (repeatable)', collect, [])
      .option('--exclude <glob>', 'not these files (repeatable)', collect, [])
      .option('--force', 'fetch again what is already here')
      .option('--dry-run', 'say what would be fetched, from where')
      .action(
        run(async (context, name: string, options: Options) => {
          const entry = getModel(await context.registry(), name);
          const settings = await pullOptions(context, entry, options);
          if (options.dryRun) return printPlan(context, entry, settings);
          const result = await pullEntry(context, entry, settings);
          context.output.result({ schema: 'fsb.pull/1', ...result }, () => result.path);
        }),
      );
    example(
      command,
      'fsb pull erlangshen-mini',
      'fsb pull erlangshen-1.3b --dry-run',
      'fsb pull erlangshen-1.3b --mirror ./二郎神-1.3B.zip',
    );
  },
};

// --- internal ---

async function pullOptions(context: Context, entry: RegistryModel, options: Options): Promise<Partial<PullOptions>> {
  const { parseLocation } = await import('../../hub/choose-source.ts');
  const mirrors = options.mirror.map(parseLocation);
  return {
    ...(mirrors.length > 0 && { sources: [...mirrors, ...entry.sources] }),
    ...(options.revision !== undefined && {
      revision: options.revision,
      target: checkpointFolder(entry.name, options.revision, context.environment.home),
    }),
    include: options.include,
    exclude: options.exclude,
    force: options.force ?? false,
  };
}

async function printPlan(context: Context, entry: RegistryModel, options: Partial<PullOptions>): Promise<void> {
  const { planPull } = await import('../../hub/pull.ts');
  const plan = await planPull({ ...pullSettings(context, entry), ...options });
  context.output.result({ schema: 'fsb.pull/1', ...{ dryRun: true, ...plan } }, () =>
    [
      `${plan.source}${plan.revision ? ` @ ${plan.revision}` : ''}`,
      ...plan.files.map(
        (file) => `  ${file.path}\t${file.sizeBytes === undefined ? '?' : formatBytes(file.sizeBytes)}`,
      ),
      `  ${plan.totalBytes === undefined ? '?' : formatBytes(plan.totalBytes)}`,
    ].join('\n'),
  );
}
