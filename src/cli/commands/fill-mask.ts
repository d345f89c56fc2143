/** fsb fill-mask MODEL TEXT… */
import { Encoder } from '../../pipelines/encoder.ts';
import { fillMask } from '../../pipelines/fill-mask.ts';
import { type CommandModule, example } from '../command.ts';
import { readAndPrint } from '../reading.ts';
import { positiveInteger, type ReadingOptions, readingOptions } from '../running.ts';

interface Options extends ReadingOptions {
  readonly topK: number;
  readonly targets?: string;
}

export const command: CommandModule = {
  declare(command, run) {
    readingOptions(
      command.argument('<model>', 'name, alias, hub id or folder').argument('[text...]', 'text with [MASK]'),
    )
      .option('--top-k <n>', 'candidates per mask', positiveInteger('--top-k'), 5)
      .option('--targets <tokens>', 'rank only these tokens, comma-separated')
      .action(
        run(async (context, model: string, texts: string[], options: Options) => {
          const targets = options.targets?.split(',');
          await readAndPrint(context, options, {
            schema: 'fsb.fill-mask/1',
            model,
            texts,
            open: Encoder.open,
            run: (encoder, rows) =>
              Promise.all(
                rows.map(async ({ id, text }) => ({
                  ...(id !== undefined && { id }),
                  ...(await fillMask(encoder, text, { topK: options.topK, targets, signal: context.signal })),
                })),
              ),
            print: ({ text, masks }) => {
              const { style } = context.output;
              const lines = masks.flatMap(({ candidates }, i) => [
                ...(masks.length > 1 ? [style.dim(`mask ${i + 1}`)] : []),
                ...candidates.map(({ token, probability }) => `  ${style.bold(token)}\t${probability.toFixed(4)}`),
              ]);
              return [text, ...lines].join('\n');
            },
          });
        }),
      );
    example(
      command,
      'fsb fill-mask erlangshen-mini "床前明[MASK]光，疑是地上霜。"',
      'fsb fill-mask erlangshen-mini "白日依山[MASK]" --targets 尽,远',
    );
  },
};
