/** fsb score MODEL TEXT [--candidates a,b,c]: how likely the model finds candidates, or the text. */
import { type CandidateScore, Scorer, type TextScore } from '../../pipelines/scorer.ts';
import { type CommandModule, example } from '../command.ts';
import type { Context } from '../context.ts';
import { readTexts } from '../rows.ts';
import { type ReadingOptions, readingOptions, withModel } from '../running.ts';

interface Options extends ReadingOptions {
  readonly candidates?: string;
  readonly perToken?: boolean;
}

export const command: CommandModule = {
  declare(command, run) {
    readingOptions(command.argument('<model>', 'name, alias, hub id or folder').argument('[text...]', 'text to score'))
      .option('--candidates <texts>', 'comma-separated: what may follow the text, or stand at its [MASK]')
      .option('--per-token', 'log-probability of each token')
      .action(
        run(async (context, name: string, texts: string[], options: Options) => {
          await withModel(context, name, options, Scorer.open, async (scorer) => {
            const asLines = options.jsonl || options.input !== undefined;
            const results: object[] = [];
            for await (const { id, text } of readTexts(texts, options.input)) {
              context.signal.throwIfAborted();
              const scored =
                options.candidates === undefined
                  ? await scorer.score(text, context.signal)
                  : await scorer.rank(text, options.candidates.split(','), context.signal);
              const result = { ...(id !== undefined && { id }), text, ...document(scored, options.perToken ?? false) };
              if (asLines) context.output.line(JSON.stringify(result));
              else if (context.output.json) results.push(result);
              else context.output.line(print(context, scorer, text, scored, options.perToken ?? false));
            }
            if (context.output.json && !asLines)
              context.output.result({ schema: 'fsb.score/1', ...{ model: scorer.manifest.name, results } }, () => '');
          });
        }),
      );
    example(
      command,
      'fsb score wenzhong-mini "床前明月光，" --candidates 疑是地上霜,举头望明月',
      'fsb score erlangshen-mini "床前明[MASK]光" --candidates 月,日',
      'fsb score wenzhong-mini "床前明月光，疑是地上霜。" --per-token',
    );
  },
};

// --- internal ---

type Scored = readonly CandidateScore[] | TextScore;

function document(scored: Scored, perToken: boolean): object {
  const cut = <T extends { readonly perToken: readonly number[] }>({ perToken: values, ...rest }: T): object => ({
    ...rest,
    ...(perToken && { perToken: values }),
  });
  return 'perplexity' in scored ? cut(scored) : { candidates: scored.map(cut) };
}

function print(context: Context, scorer: Scorer, text: string, scored: Scored, perToken: boolean): string {
  const tokens = (item: { readonly tokens: readonly number[]; readonly perToken: readonly number[] }): string[] =>
    perToken ? item.tokens.map((id, i) => `    ${scorer.tokenOf(id)}\t${item.perToken[i]!.toFixed(4)}`) : [];
  if ('perplexity' in scored)
    return [
      `${text}`,
      `  perplexity ${scored.perplexity.toFixed(3)}, log-probability ${scored.logProbability.toFixed(4)} over ${scored.tokens.length} tokens`,
      ...tokens(scored),
    ].join('\n');
  return [
    text,
    ...scored.flatMap((item) => [
      `  ${context.output.style.bold(item.candidate)}\t${item.logProbability.toFixed(4)}`,
      ...tokens(item),
    ]),
  ].join('\n');
}
