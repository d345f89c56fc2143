/** fsb pull NAME: prints the checkpoint folder's path. */
import { setFlagsFromString } from 'node:v8';
import type { PlannedFile, PullOptions } from '../../hub/pull.ts';
import type { SourceSpec } from '../../hub/sources/source.ts';
import { checkpointFolder } from '../../registry/home.ts';
import { getModel, type RegistryModel } from '../../registry/registry.ts';
import { UsageError } from '../../util/errors.ts';
import { formatBytes } from '../../util/format.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions, Context } from '../context.ts';
import { HUB_MIRROR, pullEntry, pullSettings } from '../ensure.ts';

interface Options extends CommonOptions {
  readonly mirror: readonly string[];
  readonly revision?: string;
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly connections?: number;
  readonly maxRate?: number;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

const MAX_CONNECTIONS = 64;
/** A pull makes little garbage: room for more of it would be a tenth of the process's memory and gain nothing. */
const KEEP_YOUNG_SMALL = '--semi-space-growth-factor=1';
const collect = (value: string, former: readonly string[]): string[] => [...former, value];

export const command: CommandModule = {
  declare(command, run) {
    command
      .argument('<name>', 'registry name, alias or hub id')
      .option(
        '--mirror <url>',
        'take it from here first: URL or path of a zip, URL of a folder with the files (ends in /), a hub (https://host), huggingface, hf-mirror or modelscope (repeatable)',
        collect,
        [],
      )
      .option('--revision <rev>', 'branch, tag or commit of the hub repository')
      .option('--include <glob>', 'only these files (repeatable)', collect, [])
      .option('--exclude <glob>', 'not these files (repeatable)', collect, [])
      .option('--connections <n>', 'connections at a time (default: 8)', parseConnections)
      .option('--max-rate <rate>', 'bytes a second over all connections, such as 500k, 20M', parseRate)
      .option('--force', 'fetch again what is already here')
      .option('--dry-run', 'say what would be fetched, from where')
      .action(
        run(async (context, name: string, options: Options) => {
          setFlagsFromString(KEEP_YOUNG_SMALL);
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
      'fsb pull erlangshen-1.3b --mirror hf-mirror --max-rate 20M',
      'fsb pull erlangshen-1.3b --mirror ./二郎神-1.3B.zip',
    );
  },
};

// --- internal ---

async function pullOptions(context: Context, entry: RegistryModel, options: Options): Promise<Partial<PullOptions>> {
  const { parseLocation } = await import('../../hub/choose-source.ts');
  const { sources } = pullSettings(context, entry);
  const mirrors = options.mirror.map((mirror) => knownMirror(mirror, sources) ?? parseLocation(mirror));
  const others = sources.filter((source) => !mirrors.includes(source));
  return {
    ...(mirrors.length > 0 && { sources: [...mirrors, ...others] }),
    ...(options.revision !== undefined && {
      revision: options.revision,
      target: checkpointFolder(entry.name, options.revision, context.environment.home),
    }),
    include: options.include,
    exclude: options.exclude,
    connections: options.connections,
    maxBytesPerSecond: options.maxRate,
    force: options.force ?? false,
  };
}

/** A hub by its name or its bare address has this model's repository under the name that the registry knows. */
function knownMirror(mirror: string, sources: readonly SourceSpec[]): SourceSpec | undefined {
  const endpoint = mirror === 'hf-mirror' ? HUB_MIRROR : /^https?:\/\/[^/?#]+\/?$/i.test(mirror) ? mirror : undefined;
  const kind = endpoint !== undefined ? 'huggingface' : mirror;
  if (kind !== 'huggingface' && kind !== 'modelscope') return undefined;
  const known = sources.find((source) => source.kind === kind && !('endpoint' in source));
  if (!known)
    throw new UsageError(`--mirror ${mirror}: no ${kind} repository of this model is known`, {
      code: 'no-such-mirror',
      hint: 'see "fsb info" for its sources',
    });
  return endpoint === undefined || known.kind !== 'huggingface'
    ? known
    : { ...known, endpoint: endpoint.replace(/\/+$/, '') };
}

function parseConnections(value: string): number {
  const count = Number(value);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_CONNECTIONS) return count;
  throw new UsageError(`--connections ${value}: expected 1 to ${MAX_CONNECTIONS}`, { code: 'bad-option' });
}

/** "500k", "20M", "1.5G", "800000" → bytes a second; units of 1000 as everywhere in fsb. */
function parseRate(value: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([kmg]?)b?(?:\/s)?$/i.exec(value) ?? [];
  const rate = Number(number) * { '': 1, k: 1e3, m: 1e6, g: 1e9 }[unit.toLowerCase() as '' | 'k' | 'm' | 'g'];
  if (rate > 0) return rate;
  throw new UsageError(`--max-rate ${value}: expected bytes a second such as 500k or 20M`, { code: 'bad-option' });
}

async function printPlan(context: Context, entry: RegistryModel, options: Partial<PullOptions>): Promise<void> {
  const { planPull } = await import('../../hub/pull.ts');
  const plan = await planPull({ ...pullSettings(context, entry), signal: context.signal, ...options });
  const size = (bytes: number | undefined): string => (bytes === undefined ? '?' : formatBytes(bytes));
  const here = ({ heldBytes, sizeBytes }: PlannedFile): string =>
    heldBytes === 0 ? '' : heldBytes === sizeBytes ? '\there' : `\t${size(heldBytes)} here`;
  context.output.result({ schema: 'fsb.pull/1', ...{ dryRun: true, ...plan } }, () =>
    [
      `${plan.source}${plan.revision ? ` @ ${plan.revision}` : ''}`,
      ...plan.mirrors.map((mirror) => `+ ${mirror}`),
      ...plan.passedOver.map(({ source, reason }) => `- ${source}: ${reason}`),
      ...plan.files.map((file) => `  ${file.path}\t${size(file.sizeBytes)}${here(file)}`),
      `  ${size(plan.totalBytes)}, ${size(plan.missingBytes)} to fetch, into ${plan.path}`,
    ].join('\n'),
  );
}
