/** fsb similarity MODEL A B */
import { similarity } from '../../pipelines/embed.ts';
import { type CommandModule, example } from '../command.ts';
import { warnOfTruncation } from '../reading.ts';
import { type RunningOptions, runningOptions, withEncoder } from '../running.ts';

export const command: CommandModule = {
  declare(command, run) {
    runningOptions(
      command
        .argument('<model>', 'name, alias, hub id or folder')
        .argument('<a>', 'first text')
        .argument('<b>', 'second text'),
    ).action(
      run(async (context, model: string, a: string, b: string, options: RunningOptions) => {
        await withEncoder(context, model, options, async (encoder) => {
          const { score, method, ...mark } = await similarity(encoder, a, b, context.signal);
          if (method === 'cosine') context.output.note(context.messages.cosineSimilarity(encoder.manifest.name));
          if (mark.truncated) warnOfTruncation(context, 1, 1);
          context.output.result(
            { schema: 'fsb.similarity/1', ...{ model: encoder.manifest.name, score, method, ...mark } },
            () => score.toFixed(6),
          );
        });
      }),
    );
    example(command, 'fsb similarity erlangshen-mini "床前明月光" "举头望明月"');
  },
};
