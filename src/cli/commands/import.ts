/** fsb import ZIP|DIR --as NAME: prints the checkpoint folder's path. */
import { checkpointFolder } from '../../registry/home.ts';
import { findModel } from '../../registry/registry.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions } from '../context.ts';

interface Options extends CommonOptions {
  readonly as: string;
}

export const command: CommandModule = {
  declare(command, run) {
    command
      .argument('<source>', 'zip or folder with config.json and the weights')
      .requiredOption('--as <name>', 'registry name, alias, or a name of your own')
      .action(
        run(async (context, source: string, options: Options) => {
          const { importArchive } = await import('../../hub/import.ts');
          const { output, messages } = context;
          const name = findModel(await context.registry(), options.as)?.name ?? options.as;
          const progress = await output.progress(messages.importing(source), 'bytes');
          try {
            const result = await importArchive(source, checkpointFolder(name, 'local', context.environment.home), {
              name,
              signal: context.signal,
              onProgress: (done, total) => progress.update(done, total),
            });
            progress.stop();
            if (result.leftOut.length) output.note(messages.leftOut(result.leftOut.join(', ')));
            output.result({ schema: 'fsb.import/1', ...{ name, ...result } }, () => result.path);
          } finally {
            progress.stop();
          }
        }),
      );
    example(
      command,
      'fsb import ./二郎神-1.3B.zip --as erlangshen-1.3b',
      'fsb import ./my-finetuned-model --as my-model',
    );
  },
};
