/** fsb info NAME: what a model is, where it comes from, what it needs, what it scored, what to beware of. */
import { needsOf, workloadOf } from '../../registry/needs.ts';
import { caveatsOf, getModel, type RegistryModel } from '../../registry/registry.ts';
import { formatBytes, formatParameters } from '../../util/format.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions, Context } from '../context.ts';
import { localState } from '../local-state.ts';

/** Tasks by Hub tag → the command that runs them. */
const COMMANDS: Readonly<Record<string, string>> = {
  'text-classification': 'classify',
  'feature-extraction': 'embed',
  'text-generation': 'generate',
  'text2text-generation': 'generate',
};

export const command: CommandModule = {
  declare(command, run) {
    command.argument('<name>', 'registry name, alias or hub id').action(
      run(async (context, name: string, _options: CommonOptions) => {
        const entry = getModel(await context.registry(), name);
        const document = await describe(context, entry);
        context.output.result({ schema: 'fsb.info/1', ...document }, () => page(context, document));
      }),
    );
    example(command, 'fsb info erlangshen-1.3b', 'fsb info 二郎神-1.3B --json');
  },
};

// --- internal ---

async function describe(context: Context, entry: RegistryModel) {
  const { ARCHITECTURES } = await import('../../architectures/index.ts');
  const supported = ARCHITECTURES.some(({ name }) => name === entry.architecture);
  const { parameters, dimensions } = entry;
  const workload = workloadOf(entry.architecture);
  return {
    ...entry,
    caveats: caveatsOf(await context.registry(), entry),
    supported,
    commands: supported ? examples(entry) : [],
    needs: parameters === null ? [] : needsOf({ parameters, workload, dimensions }),
    local: await localState(entry.name, context.environment.home),
  };
}

/** Commands that run the model, with a published prompt where there is one that fits. */
function examples(entry: RegistryModel): string[] {
  const isMasked = (text: string): boolean => text.includes('[MASK]');
  const call = (command: string, fallback: string, fits: (text: string) => boolean): string => {
    const { text, pair } = entry.prompts.find((prompt) => fits(prompt.text)) ?? { text: fallback };
    return `fsb ${command} ${entry.name} "${text}"${pair === undefined ? '' : ` --pair "${pair}"`}`;
  };
  const all = () => true;
  const fill = call('fill-mask', '生活的真谛是[MASK]。', isMasked);
  if (entry.architecture === 'zhouwenwang') return [fill, call('generate', '清华大学位于', (text) => !isMasked(text))];
  if (entry.task === 'fill-mask') return [fill];
  const command = COMMANDS[entry.task];
  return command ? [call(command, '今天心情不好', all)] : [];
}

type Description = Awaited<ReturnType<typeof describe>>;

function page(context: Context, info: Description): string {
  const { style } = context.output;
  const { language } = context.environment;
  const lines: string[] = [style.bold(`${info.name}  ${info.title.zh} / ${info.title.en}`)];
  const field = (name: string, value: string): void => void lines.push(`${name.padEnd(14)}${value}`);
  field(
    'architecture',
    `${info.architecture ?? '–'}${info.supported ? '' : '  (not converted by this version of fsb)'}`,
  );
  field('task', [info.task, ...info.moreTasks].join(', '));
  if (info.labels) field('labels', info.labels.join(', '));
  field('parameters', info.parameters === null ? '?' : formatParameters(info.parameters));
  field(
    'checkpoint',
    `${info.sizeBytes === null ? '?' : formatBytes(info.sizeBytes)} ${info.checkpointDtype ?? ''}`.trimEnd(),
  );
  for (const { dtype, diskBytes, memoryBytes } of info.needs)
    field(dtype, `disk ${formatBytes(diskBytes)}, memory ${formatBytes(memoryBytes)}`);
  field('license', info.license ?? '?');
  field(
    'here',
    [
      ...info.local.checkpoints.map((revision) => `checkpoint ${revision}`),
      ...info.local.models.map((dtype) => `model ${dtype}`),
    ].join(', ') || '–',
  );
  lines.push('', style.bold('sources'));
  for (const source of info.sources) lines.push(`  ${sourceLine(source)}`);
  if (info.published.length) lines.push('', style.bold('published scores'));
  for (const { task, benchmark, metric, value, split, method, source } of info.published)
    lines.push(
      `  ${task.padEnd(9)}${value.toFixed(4)}  ${[metric ?? 'metric not stated', split ?? 'split not stated', method, benchmark].join(', ')}; ${source}`,
    );
  if (info.prompts.length) lines.push('', style.bold('examples'));
  for (const { text, pair, expected } of info.prompts)
    lines.push(`  ${text}${pair === undefined ? '' : ` / ${pair}`}${expected === undefined ? '' : ` → ${expected}`}`);
  if (info.caveats.length) lines.push('', style.bold('beware'));
  for (const caveat of info.caveats) lines.push(`  ${caveat[language]}`);
  if (info.notes.length) lines.push('', style.bold('notes'), ...info.notes.map((note) => `  ${note}`));
  if (info.commands.length) lines.push('', style.bold('run'), ...info.commands.map((line) => `  ${line}`));
  return lines.join('\n');
}

function sourceLine(source: RegistryModel['sources'][number]): string {
  if (source.kind === 'bundled') return `bundled with fsb: ${source.path}`;
  if (source.kind === 'archive') return `archive ${source.url}${source.expired ? ` (expired ${source.expired})` : ''}`;
  return `${source.kind} ${source.repo}`;
}
