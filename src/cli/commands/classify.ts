/** fsb classify MODEL TEXT [--pair TEXT] [--labels a,b,c]: by a fine-tuned head, or zero-shot among labels of one's own. */
import { type Classification, classify } from '../../pipelines/classify.ts';
import { Encoder } from '../../pipelines/encoder.ts';
import { UsageError } from '../../util/errors.ts';
import { type CommandModule, example } from '../command.ts';
import type { Context } from '../context.ts';
import { readAndPrint } from '../reading.ts';
import type { TextRow } from '../rows.ts';
import { positiveInteger, type ReadingOptions, readingOptions } from '../running.ts';

interface Options extends ReadingOptions {
  readonly topK?: number;
  readonly pair?: string;
  readonly labels?: string;
  readonly template?: string;
}

export const command: CommandModule = {
  declare(command, run) {
    readingOptions(
      command.argument('<model>', 'name, alias, hub id or folder').argument('[text...]', 'text to classify'),
    )
      .option('--pair <text>', 'second text, for heads that judge two (similarity, inference)')
      .option('--top-k <n>', 'print only the likeliest labels', positiveInteger('--top-k'))
      .option('--labels <names>', 'zero-shot: choose among these labels, comma-separated, without a fine-tuned head')
      .option('--template <text>', 'with --labels: how the model is asked, with {text} and {label} once each')
      .action(
        run(async (context, model: string, texts: string[], options: Options) => {
          if (options.labels === undefined) await byHead(context, model, texts, options);
          else await zeroShot(context, model, texts, options.labels.split(','), options);
        }),
      );
    example(
      command,
      'fsb classify erlangshen-mini-poet "大江东去，浪淘尽，千古风流人物。"',
      'echo "大江东去" | fsb classify erlangshen-mini-poet --input -',
      'fsb classify erlangshen-mini "床前明月光，疑是地上霜。" --labels 月,花,雪',
    );
  },
};

// --- internal ---

async function byHead(context: Context, model: string, texts: readonly string[], options: Options): Promise<void> {
  if (options.template !== undefined)
    throw new UsageError('--template asks for --labels, which are missing', { code: 'template-without-labels' });
  await readAndPrint(context, options, {
    schema: 'fsb.classify/1',
    ...{ model, texts, pair: options.pair, open: Encoder.open },
    run: async (encoder, rows) => resultsOf(await classify(encoder, rows, context.signal), rows, options),
    print: (result) => print(context, result),
  });
}

async function zeroShot(
  context: Context,
  model: string,
  texts: readonly string[],
  labels: readonly string[],
  options: Options,
): Promise<void> {
  const { openZeroShot } = await import('../../evaluation/zero-shot.ts');
  const refusePairs = (rows: readonly { readonly pair?: string }[]): void => {
    if (rows.some(({ pair }) => pair !== undefined))
      throw new UsageError('--labels asks about one text; a pair needs a fine-tuned head', { code: 'zero-shot-pair' });
  };
  if (options.pair !== undefined) refusePairs([{ pair: options.pair }]);
  await readAndPrint(context, options, {
    schema: 'fsb.classify/1',
    ...{ model, texts },
    open: async (folder, opening) => {
      const classifier = await openZeroShot(folder, { labels, template: options.template }, opening);
      context.output.note(context.messages.zeroShot(classifier.method, classifier.template));
      return classifier;
    },
    run: async (classifier, rows) => {
      refusePairs(rows);
      const found = await classifier.classify(
        rows.map(({ text }) => text),
        context.signal,
      );
      const { method, template } = classifier;
      return resultsOf(found, rows, options).map((result) => ({ ...result, method, template }));
    },
    print: (result) => print(context, result),
  });
}

const resultsOf = (found: readonly Classification[], rows: readonly TextRow[], { topK }: Options) =>
  found.map((result, i) => ({ ...rows[i]!, ...result, labels: result.labels.slice(0, topK) }));

function print(context: Context, { text, pair, labels }: Classification & TextRow): string {
  const { style } = context.output;
  const head = pair === undefined ? text : `${text} / ${pair}`;
  return [head, ...labels.map(({ label, probability }) => `  ${style.bold(label)}\t${probability.toFixed(4)}`)].join(
    '\n',
  );
}
