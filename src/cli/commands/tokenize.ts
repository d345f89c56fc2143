/** fsb tokenize MODEL|DIR TEXT…: tokens, ids and offsets; with --decode ids back to text. */
import { Option } from 'commander';
import { openTokenizer } from '../../tokenizers/open.ts';
import type { Encoding, Tokenizer, Truncation } from '../../tokenizers/tokenizer.ts';
import { UsageError } from '../../util/errors.ts';
import { type CommandModule, example } from '../command.ts';
import type { CommonOptions, Context } from '../context.ts';
import { ensureCheckpoint, locate } from '../ensure.ts';
import { readTexts, type TextRow } from '../rows.ts';
import { positiveInteger } from '../running.ts';

interface Options extends CommonOptions {
  readonly pair?: string;
  readonly maxLength?: number;
  readonly truncation?: Truncation;
  readonly padding?: boolean;
  /** False with --no-special-tokens. */
  readonly specialTokens: boolean;
  readonly decode?: string;
  readonly input?: string;
  readonly jsonl?: boolean;
}

export const command: CommandModule = {
  declare(command, run) {
    command
      .argument('<model>', 'name, or a folder with tokenizer files (no weights needed)')
      .argument('[text...]', 'texts')
      .option('--pair <text>', 'second text of a pair')
      .option('--max-length <n>', 'most tokens, special ones included', positiveInteger('--max-length'))
      .addOption(
        new Option('--truncation <which>', 'what gives way to --max-length (default: longest-first)').choices([
          'longest-first',
          'only-first',
          'only-second',
        ]),
      )
      .option('--padding', 'fill up to --max-length')
      .option('--no-special-tokens', 'without [CLS], [SEP], </s>')
      .option('--decode <ids>', 'comma-separated ids to turn into text')
      .option('--input <file>', 'read texts from a file or - (JSON lines or plain lines)')
      .option('--jsonl', 'print one JSON line per text')
      .action(
        run(async (context, model: string, texts: string[], options: Options) => {
          const tokenizer = await openNamed(context, model);
          if (options.decode !== undefined) return decode(context, tokenizer, options.decode);
          await encodeAll(context, tokenizer, texts, options);
        }),
      );
    example(
      command,
      'fsb tokenize erlangshen-mini "床前明月光"',
      'fsb tokenize erlangshen-mini --decode 101,974,403,102',
    );
  },
};

// --- internal ---

/** A tokenizer needs no conversion: the files of the checkpoint are enough. */
async function openNamed(context: Context, model: string): Promise<Tokenizer> {
  try {
    return await openTokenizer(await locate(context, model));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'not-here')) throw error;
    return openTokenizer((await ensureCheckpoint(context, model)).folder);
  }
}

async function encodeAll(
  context: Context,
  tokenizer: Tokenizer,
  texts: readonly string[],
  options: Options,
): Promise<void> {
  if (options.padding && options.maxLength === undefined)
    throw new UsageError('--padding needs --max-length', { code: 'no-length' });
  const results: object[] = [];
  for await (const row of readTexts(texts, options.input, options.pair)) {
    const { ids, tokens, offsets, typeIds, attentionMask } = encode(tokenizer, row, options);
    const result = { ...row, ids, tokens, offsets, typeIds, attentionMask };
    if (options.jsonl || options.input !== undefined) context.output.line(JSON.stringify(result));
    else if (context.output.json) results.push(result);
    else context.output.line(tokens.map((token, i) => `${ids[i]}\t${token}\t${offsets[i]?.join('-')}`).join('\n'));
  }
  if (results.length) context.output.result({ schema: 'fsb.tokenize/1', ...{ results } }, () => '');
}

function encode(tokenizer: Tokenizer, { text, pair }: TextRow, options: Options): Encoding {
  return tokenizer.encode(text, {
    pair,
    maxLength: options.maxLength,
    truncation: options.truncation,
    padTo: options.padding ? options.maxLength : undefined,
    addSpecialTokens: options.specialTokens,
  });
}

function decode(context: Context, tokenizer: Tokenizer, list: string): void {
  const ids = list.split(',').map((id) => Number(id.trim()));
  if (ids.some((id) => !Number.isInteger(id) || id < 0))
    throw new UsageError(`--decode ${list}: expected ids such as 101,974,102`, { code: 'bad-ids' });
  const text = tokenizer.decode(ids);
  context.output.result({ schema: 'fsb.tokenize/1', ...{ text } }, () => text);
}
