/** fsb convert NAME|DIR: prints the model folder's path. */

import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { type Budget, parseBudget } from '../../convert/budget.ts';
import { modelFolder } from '../../registry/home.ts';
import { UsageError } from '../../util/errors.ts';
import { isDirectory, pathExists } from '../../util/files.ts';
import { formatBytes, formatParameters } from '../../util/format.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions } from '../context.ts';
import { convertFolder } from '../convert-folder.ts';
import { ensureCheckpoint } from '../ensure.ts';

interface Options extends CommonOptions {
  readonly dtype: string;
  readonly out?: string;
  readonly budget?: Budget;
  readonly calibrate?: string;
}

export const command: CommandModule = {
  declare(command, run) {
    command
      .argument('<checkpoint>', 'name, alias, hub id or checkpoint folder')
      .option('--dtype <type>', 'fp32, fp16 (half the disk; computes in fp32 on a CPU), int8 or int4', 'fp32')
      .option('--out <dir>', 'model folder to write (default: under FSB_HOME)')
      .option(
        '--budget <limit>',
        'kl=0.01 or accuracy-drop=0.5: int4 or int8 matrices that differ more get larger formats',
        parseBudget,
      )
      .option('--calibrate <file>', 'texts to measure the budget with, one a line (default: a few that come with fsb)')
      .action(
        run(async (context, name: string, options: Options) => {
          const { output } = context;
          const started = performance.now();
          const checkpoint = await ensureCheckpoint(context, name);
          const target = path.resolve(
            options.out ?? modelFolder(checkpoint.name, options.dtype, context.environment.home),
          );
          if (options.out !== undefined) await requireOwnFolder(target);
          const manifest = await convertFolder(context, checkpoint.folder, target, {
            ...checkpoint,
            dtype: options.dtype,
            budget: options.budget,
            calibrate: options.calibrate,
          });
          const seconds = (performance.now() - started) / 1000;
          const { architecture, dtype, parameters, graphs, probes, precision } = manifest;
          const peakRssBytes = process.resourceUsage().maxRSS * 1024;
          const written = graphs.reduce((sum, graph) => sum + graph.sizeBytes, 0) + (graphs[0]?.dataSizeBytes ?? 0);
          output.note(
            `${architecture}, ${formatParameters(parameters)} parameters, ${dtype}: ${formatBytes(written)} in ${seconds.toFixed(1)}s, peak memory ${formatBytes(peakRssBytes)}`,
          );
          if (precision) for (const line of context.messages.precision(precision)) output.note(line);
          const certificate = { probes, ...(precision && { precision }) };
          output.result(
            {
              schema: 'fsb.convert/1',
              ...{ path: target, architecture, dtype, parameters, graphs, peakRssBytes, seconds, certificate },
            },
            () => target,
          );
        }),
      );
    example(
      command,
      'fsb convert erlangshen-mini',
      'fsb convert ./my-checkpoint --dtype fp16 --out ./my-model',
      'fsb convert wenzhong-mini --dtype int4 --budget kl=0.01',
    );
  },
};

// --- internal ---

/** --out replaces a model that fsb wrote, and nothing else. */
async function requireOwnFolder(target: string): Promise<void> {
  if (!(await pathExists(target))) return;
  const isOurs =
    (await isDirectory(target)) &&
    ((await pathExists(path.join(target, 'manifest.json'))) || (await readdir(target)).length === 0);
  if (isOurs) return;
  throw new UsageError(`--out ${target}: something that is no fsb model is there`, {
    code: 'target-exists',
    hint: 'name a folder that does not exist yet',
  });
}
