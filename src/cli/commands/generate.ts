/** fsb generate MODEL PROMPT: the continuation, streamed as whole characters. */
import { Option } from 'commander';
import type { GenerationOptions } from '../../generation/options.ts';
import { type Generation, Generator, type LmMask, type Prompt } from '../../pipelines/generator.ts';
import { findModel } from '../../registry/registry.ts';
import { UsageError } from '../../util/errors.ts';
import { formatBytes } from '../../util/format.ts';
import { type CommandModule, example } from '../command.ts';
import type { Context } from '../context.ts';
import { readIdRows, readTexts } from '../rows.ts';
import {
  integerList,
  positiveInteger,
  type RunningOptions,
  realNumber,
  runningOptions,
  wholeNumber,
  withModel,
} from '../running.ts';

interface Options extends RunningOptions {
  readonly maxNewTokens?: number;
  readonly minNewTokens?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly typicalP?: number;
  readonly repetitionPenalty?: number;
  readonly noRepeatNgramSize?: number;
  readonly numBeams?: number;
  readonly numReturnSequences?: number;
  readonly lengthPenalty?: number;
  readonly earlyStopping?: boolean | 'never';
  readonly stop: readonly string[];
  readonly seed?: number;
  readonly lmMask: LmMask;
  readonly badWordsIds?: number[][];
  readonly suppressTokens?: number[];
  readonly eosTokenId?: number;
  readonly ids?: string;
  readonly input?: string;
  readonly promptLookup?: boolean;
  readonly stats?: boolean;
  readonly jsonl?: boolean;
}

export const command: CommandModule = {
  declare(command, run) {
    runningOptions(
      command.argument('<model>', 'name, alias, hub id or folder').argument('[prompt]', 'text to continue'),
    )
      .option('--max-new-tokens <n>', 'most tokens after the prompt (default: 64)', positiveInteger('--max-new-tokens'))
      .option('--min-new-tokens <n>', 'no end before so many', wholeNumber('--min-new-tokens'))
      .option('--temperature <t>', 'sample; divides the logits', realNumber('--temperature'))
      .option('--top-k <k>', 'sample among the k likeliest (default: all; transformers: 50)', wholeNumber('--top-k'))
      .option('--top-p <p>', 'sample among the likeliest that together have this probability', realNumber('--top-p'))
      .option(
        '--min-p <p>',
        'sample among tokens with this share of the likeliest’s probability',
        realNumber('--min-p'),
      )
      .option('--typical-p <p>', 'locally typical sampling', realNumber('--typical-p'))
      .option('--seed <n>', 'sample; the same seed gives the same text (default: 0)', wholeNumber('--seed'))
      .option(
        '--repetition-penalty <r>',
        'above 1 discourages tokens that occurred',
        realNumber('--repetition-penalty'),
      )
      .option('--no-repeat-ngram-size <n>', 'no n-gram of this size twice', wholeNumber('--no-repeat-ngram-size'))
      .option(
        '--bad-words-ids <json>',
        'token sequences that must not appear, e.g. [[291],[111,7]]',
        idLists('--bad-words-ids'),
      )
      .option(
        '--suppress-tokens <ids>',
        'tokens that must not appear, comma-separated',
        integerList('--suppress-tokens'),
      )
      .option('--eos-token-id <n>', 'token that ends the text (default: the model’s)', wholeNumber('--eos-token-id'))
      .option('--num-beams <n>', 'beam search', positiveInteger('--num-beams'))
      .option('--num-return-sequences <n>', 'how many continuations', positiveInteger('--num-return-sequences'))
      .option('--length-penalty <x>', 'beam search: exponent of the length', realNumber('--length-penalty'))
      .option(
        '--early-stopping [when]',
        'beam search: stop at the first num-beams ends, or "never" early',
        earlyStopping,
      )
      .option(
        '--stop <text>',
        'end before this text (repeatable)',
        (value: string, former: readonly string[]) => [...former, value],
        [],
      )
      .addOption(
        new Option('--lm-mask <mask>', 'Zhouwenwang: left to right, or both directions')
          .choices(['causal', 'bidirectional'])
          .default('causal'),
      )
      .option('--ids <json>', 'rows {"input_ids": […], "decoder_input_ids"?} as JSON or @FILE instead of a text')
      .option('--input <file>', 'read prompts from a file or - (JSON lines {"text", "id"?}, or plain lines)')
      .option(
        '--prompt-lookup',
        'greedy: guess tokens from the text so far and check several at once (default: yes, except with int8 and int4, where a near tie can then fall otherwise)',
      )
      .option('--no-prompt-lookup', 'greedy: one token at a time')
      .option('--stats', 'print speed and memory on stderr')
      .option('--jsonl', 'print one JSON line per token, then one per prompt')
      .action(
        run(async (context, name: string, text: string | undefined, options: Options) => {
          const loadStarted = performance.now();
          const open = (folder: string, settings: object) =>
            Generator.open(folder, { ...settings, lmMask: options.lmMask });
          await withModel(context, name, options, open, async (generator) => {
            const loadMs = performance.now() - loadStarted;
            await generateAll(context, generator, text, options, loadMs);
          });
        }),
      );
    example(
      command,
      'fsb generate wenzhong-mini "床前明月光，"',
      'fsb generate randeng-mini "床前明<extra_id_0>光，疑是地上霜。"',
      'fsb generate zhouwenwang-mini "春眠不觉晓，" --temperature 0.8 --seed 7 --stats',
    );
  },
};

// --- internal ---

/** Prompts one after the other: streamed text, one document with --json, or events with --jsonl. */
async function generateAll(
  context: Context,
  generator: Generator,
  text: string | undefined,
  options: Options,
  loadMs: number,
): Promise<void> {
  const { output, signal } = context;
  const settings = settingsOf(options, generator);
  const results: object[] = [];
  const timings: Generation[] = [];
  for await (const { prompt, id, shown } of prompts(context, generator, text, options)) {
    const streams = !output.json && !options.jsonl;
    let isOpen = false;
    if (streams && process.stdout.isTTY && process.stderr.isTTY && shown !== undefined)
      process.stderr.write(output.noteStyle.dim(shown));
    const generation = await generator.generate(prompt, {
      ...settings,
      stop: options.stop,
      signal,
      onText({ text: piece }) {
        // several sequences would mix: only a single one can be streamed as text
        if (!streams || (settings.numReturnSequences ?? 1) > 1) return;
        isOpen = true;
        process.stdout.write(piece);
      },
      onToken({ sequence, id: token, logProbability }) {
        if (options.jsonl)
          output.line(
            JSON.stringify({ type: 'token', ...(id !== undefined && { id }), sequence, token, logProbability }),
          );
      },
    });
    timings.push(generation);
    const { promptTokens, sequences } = generation;
    const result = { ...(id !== undefined && { id }), prompt: shown ?? null, promptTokens, sequences };
    if (options.jsonl) output.line(JSON.stringify({ type: 'result', ...result }));
    else if (output.json) results.push(result);
    else if (isOpen) output.line();
    else for (const sequence of sequences) output.line(sequence.text);
  }
  const stats = statistics(timings, generator.device, loadMs);
  if (output.json && !options.jsonl)
    output.result({ schema: 'fsb.generate/1', ...{ model: generator.manifest.name, results, stats } }, () => '');
  if (options.stats) process.stderr.write(`${statsLine(stats)}\n`);
}

function settingsOf(options: Options, generator: Generator): GenerationOptions {
  const {
    maxNewTokens,
    minNewTokens,
    temperature,
    topK,
    topP,
    minP,
    typicalP,
    seed,
    repetitionPenalty,
    badWordsIds,
    suppressTokens,
  } = options;
  return {
    maxNewTokens,
    minNewTokens,
    temperature,
    topK,
    topP,
    minP,
    typicalP,
    seed,
    repetitionPenalty,
    badWordsIds,
    suppressTokens,
    noRepeatNgramSize: typeof options.noRepeatNgramSize === 'number' ? options.noRepeatNgramSize : undefined,
    numBeams: options.numBeams,
    numReturnSequences: options.numReturnSequences,
    lengthPenalty: options.lengthPenalty,
    earlyStopping: options.earlyStopping,
    eosTokenIds:
      options.eosTokenId === undefined
        ? options.ids !== undefined && !generator.manifest.tokenizer
          ? []
          : undefined
        : [options.eosTokenId],
    promptLookup: options.promptLookup,
  };
}

interface NamedPrompt {
  readonly prompt: Prompt;
  readonly id?: string | number | undefined;
  /** The text as given. */
  readonly shown?: string | undefined;
}

async function* prompts(
  context: Context,
  generator: Generator,
  text: string | undefined,
  options: Options,
): AsyncGenerator<NamedPrompt> {
  if (options.ids !== undefined) {
    if (text !== undefined || options.input !== undefined)
      throw new UsageError('--ids excludes a text and --input', { code: 'two-inputs' });
    for (const { ids, decoderIds } of await readIdRows(options.ids)) yield { prompt: { ids, decoderIds } };
    return;
  }
  const entry = findModel(await context.registry(), generator.manifest.name);
  for await (const row of readTexts(text === undefined ? [] : [text], options.input)) {
    if (entry?.language === 'en' && /\p{Script=Han}/u.test(row.text))
      context.output.warn(context.messages.englishOnly(entry.name));
    yield { prompt: { text: inTemplate(entry?.promptTemplate, row.text) }, id: row.id, shown: row.text };
  }
}

/** A bare question is put into the model's own form; a prompt that has the form already is left as it is. */
function inTemplate(template: string | undefined, text: string): string {
  if (template === undefined) return text;
  const [before = ''] = template.split('{text}');
  return text.startsWith(before) ? text : template.replace('{text}', text);
}

function statistics(generations: readonly Generation[], device: string, loadMs: number) {
  const sum = (of: (generation: Generation) => number): number =>
    generations.reduce((total, generation) => total + of(generation), 0);
  const prefillMs = sum(({ prefillMs: ms }) => ms);
  const decodeMs = sum(({ decodeMs: ms }) => ms);
  // the first token of each sequence comes out of the prefill
  const decoded = sum(({ sequences }) =>
    sequences.reduce((total, { tokens }) => total + Math.max(0, tokens.length - 1), 0),
  );
  const perSecond = (count: number, ms: number): number => (ms > 0 ? (1000 * count) / ms : 0);
  return {
    loadMs,
    prefillMs,
    decodeMs,
    prefillTokensPerSecond: perSecond(
      sum(({ promptTokens }) => promptTokens),
      prefillMs,
    ),
    decodeTokensPerSecond: perSecond(decoded, decodeMs),
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    device,
  };
}

function statsLine(stats: ReturnType<typeof statistics>): string {
  const { loadMs, prefillMs, prefillTokensPerSecond, decodeTokensPerSecond, peakRssBytes, device } = stats;
  return `load ${loadMs.toFixed(0)} ms, first token ${prefillMs.toFixed(0)} ms (${prefillTokensPerSecond.toFixed(0)} tokens/s), then ${decodeTokensPerSecond.toFixed(1)} tokens/s, peak memory ${formatBytes(peakRssBytes)}, ${device}`;
}

function earlyStopping(value: string | true): boolean | 'never' {
  if (value === 'never') return 'never';
  if (value === true || value === 'true') return true;
  if (value === 'false') return false;
  throw new UsageError(`--early-stopping ${value}: expected nothing, true, false or never`, {
    code: 'bad-early-stopping',
  });
}

function idLists(flag: string): (value: string) => number[][] {
  return (value) => {
    try {
      const parsed: unknown = JSON.parse(value);
      const isIds = (item: unknown): item is number[] =>
        Array.isArray(item) && item.every((id) => Number.isInteger(id) && id >= 0);
      if (Array.isArray(parsed) && parsed.every(isIds)) return parsed;
    } catch {
      // falls through to the same message
    }
    throw new UsageError(`${flag} ${value}: expected lists of ids such as [[291],[111,7]]`, { code: 'bad-ids' });
  };
}
