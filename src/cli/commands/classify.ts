/** fsb classify MODEL TEXT [--pair TEXT] */
import { classify } from '../../pipelines/classify.ts';
import { type CommandModule, example } from '../command.ts';
import { readAndPrint } from '../reading.ts';
import { positiveInteger, type ReadingOptions, readingOptions } from '../running.ts';

interface Options extends ReadingOptions {
  readonly topK?: number;
  readonly pair?: string;
}

export const command: CommandModule = {
  declare(command, run) {
    readingOptions(
      command.argument('<model>', 'name, alias, hub id or folder').argument('[text...]', 'text to classify'),
    )
      .option('--pair <text>', 'second text, for heads that judge two (similarity, inference)')
      .option('--top-k <n>', 'print only the likeliest labels', positiveInteger('--top-k'))
      .action(
        run(async (context, model: string, texts: string[], options: Options) => {
          await readAndPrint(context, options, {
            schema: 'fsb.classify/1',
            model,
            texts,
            pair: options.pair,
            run: async (encoder, rows) => {
              const results = await classify(encoder, rows, context.signal);
              return results.map(({ label, labels }, i) => ({
                ...rows[i]!,
                label,
                labels: labels.slice(0, options.topK),
              }));
            },
            print: ({ text, pair, labels }) => {
              const { style } = context.output;
              const head = pair === undefined ? text : `${text} / ${pair}`;
              return [
                head,
                ...labels.map(({ label, probability }) => `  ${style.bold(label)}\t${probability.toFixed(4)}`),
              ].join('\n');
            },
          });
        }),
      );
    example(
      command,
      'fsb classify erlangshen-mini-poet "大江东去，浪淘尽，千古风流人物。"',
      'echo "大江东去" | fsb classify erlangshen-mini-poet --input -',
    );
  },
};
