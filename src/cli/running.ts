/** What the commands that run a model share: their options, opening the model, and batches of input rows. */
import type { Command } from 'commander';
import { Encoder, type OpenModelOptions } from '../pipelines/encoder.ts';
import { UsageError } from '../util/errors.ts';
import type { CommonOptions, Context } from './context.ts';
import { ensureModel } from './ensure.ts';
import { explained, explainOption } from './explain.ts';

/** Texts that are run together: enough for the kernels, little enough for a pipe to stay live. */
const BATCH_ROWS = 16;

export interface DeviceOptions {
  readonly device?: string;
  readonly threads?: number;
}

export interface RunningOptions extends CommonOptions, DeviceOptions {
  readonly dtype?: string;
  /** False with --no-auto. */
  readonly auto?: boolean;
  readonly explain?: boolean;
}

export interface ReadingOptions extends RunningOptions {
  readonly input?: string;
  readonly jsonl?: boolean;
}

/** --device and --threads. */
export function deviceOptions(command: Command): Command {
  return command
    .option('--device <name>', 'auto, cpu, webgpu, cuda[:N], dml or coreml', 'auto')
    .option('--threads <n>', 'threads (default: FSB_THREADS, else one per core)', positiveInteger('--threads'));
}

/** --device, --threads, --explain, --dtype, --no-auto. */
export function runningOptions(command: Command): Command {
  return explainOption(deviceOptions(command))
    .option(
      '--dtype <type>',
      'type of the converted model: fp32, fp16, int8 or int4 (default: fp32, for large decoders int8)',
    )
    .option('--no-auto', 'do not pull or convert what is missing');
}

/** --input and --jsonl beside those of a running command. */
export function readingOptions(command: Command): Command {
  return runningOptions(command)
    .option('--input <file>', 'read texts from a file or - (JSON lines {"text", "pair"?, "id"?}, or plain lines)')
    .option('--jsonl', 'print one JSON line per text (always with --input)');
}

/** A model of any kind, opened. */
interface Disposable {
  dispose(): Promise<void>;
}

/** Opens the model that NAME means, doing the missing steps, and closes it after `use`. */
export async function withModel<M extends Disposable, T>(
  context: Context,
  name: string,
  options: RunningOptions,
  open: (folder: string, options: OpenModelOptions) => Promise<M>,
  use: (model: M) => Promise<T>,
): Promise<T> {
  const folder = await ensureModel(context, name, { ...options, auto: options.auto ?? true });
  return explained(context, options.explain, async (recording) => {
    const model = await open(folder, {
      device: options.device ?? 'auto',
      threads: options.threads ?? context.environment.threads,
      onWarning: (message) => context.output.warn(message),
      ...recording,
    });
    try {
      return await use(model);
    } finally {
      await model.dispose();
    }
  });
}

/** As withModel, for commands that need an encoder. */
export function withEncoder<T>(
  context: Context,
  name: string,
  options: RunningOptions,
  use: (model: Encoder) => Promise<T>,
): Promise<T> {
  return withModel(context, name, options, Encoder.open, use);
}

/** Groups of rows, in order. */
export async function* inBatches<T>(rows: AsyncIterable<T>, size = BATCH_ROWS): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const row of rows) {
    batch.push(row);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length) yield batch;
}

/** Parser for an option that takes a whole number from 1 on. */
export function positiveInteger(flag: string): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (Number.isInteger(number) && number > 0) return number;
    throw new UsageError(`${flag} ${value}: expected a whole number from 1 on`, { code: 'bad-number' });
  };
}

/** Parser for an option that takes a whole number from 0 on. */
export function wholeNumber(flag: string): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (value.trim() !== '' && Number.isInteger(number) && number >= 0) return number;
    throw new UsageError(`${flag} ${value}: expected a whole number from 0 on`, { code: 'bad-number' });
  };
}

/** Parser for an option that takes any number. */
export function realNumber(flag: string): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (value.trim() !== '' && Number.isFinite(number)) return number;
    throw new UsageError(`${flag} ${value}: expected a number`, { code: 'bad-number' });
  };
}

/** Parser for an option that takes comma-separated ids. */
export function integerList(flag: string): (value: string) => number[] {
  return (value) => value.split(',').map(wholeNumber(flag));
}
