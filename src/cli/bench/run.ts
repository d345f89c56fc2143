/** fsb bench: converts what is missing, lets processes measure in turns, prints, compares, judges. */
import os from 'node:os';
import path from 'node:path';
import { type Comparison, compareRuns, unmatchedRows } from '../../bench/compare.ts';
import { type Failure, findFailures, parseConditions } from '../../bench/conditions.ts';
import { benchMarkdown, benchNotes, benchTable, comparisonTable } from '../../bench/report.ts';
import { BENCH_SCHEMA, type BenchDocument, type BenchRow, type Limits, readBench } from '../../bench/result.ts';
import { summarize } from '../../bench/statistics.ts';
import { kindOf } from '../../bench/trial.ts';
import { type MatrixWork, type Shares, sharesOf } from '../../bench/work.ts';
import { listMatrices } from '../../onnx/matrices.ts';
import { LOGIT_POSITIONS } from '../../pipelines/encoder.ts';
import { type Manifest, readManifest } from '../../registry/manifest.ts';
import { UsageError, ValidationError } from '../../util/errors.ts';
import type { Context } from '../context.ts';
import { ensureModel } from '../ensure.ts';
import { environmentOf } from '../provenance.ts';
import type { DeviceOptions } from '../running.ts';
import { formatTable } from '../table.ts';
import { bestLimits } from './limits.ts';
import { runJob } from './process.ts';
import type { ModelAnswer } from './protocol.ts';

/** What is measured without a model: models that come with fsb, or the machine alone. */
export const SUITES = {
  minis: { models: ['erlangshen-mini', 'wenzhong-mini', 'randeng-mini'], dtypes: ['fp32', 'int8', 'int4'] },
  machine: { models: [], dtypes: [] },
} as const satisfies Record<string, { models: readonly string[]; dtypes: readonly string[] }>;

export interface BenchOptions extends DeviceOptions {
  /** Comma-separated. */
  readonly dtype?: readonly string[];
  readonly auto: boolean;
  readonly batch?: readonly number[];
  readonly sequence?: readonly number[];
  readonly newTokens: number;
  readonly rounds: number;
  readonly suite?: keyof typeof SUITES;
  readonly format: 'table' | 'markdown';
  readonly compare?: string;
  readonly failIf?: string;
}

/** A model folder that is measured. */
interface Subject {
  readonly folder: string;
  readonly work: MatrixWork;
}

/** Measures and prints; at last throws ValidationError (exit code 9) when a condition of --fail-if holds. */
export async function runBench(context: Context, name: string | undefined, options: BenchOptions): Promise<void> {
  // everything that can be wrong with the options is known before minutes are spent
  const conditions = options.failIf === undefined ? [] : parseConditions(options.failIf);
  if (options.compare === undefined && conditions.some(({ isRatio }) => isRatio))
    throw new UsageError(`--fail-if ${options.failIf}: needs an earlier run to divide by`, {
      code: 'missing-compare',
      hint: 'add --compare FILE, or ask for the number itself, such as decodeTokensPerSecond<20',
    });
  const before = options.compare === undefined ? undefined : await readBench(options.compare);
  const subjects = await findSubjects(context, name, options);
  const document = await measure(context, subjects, options);
  const comparisons = before && compareRuns(document.rows, before);
  if (before)
    for (const key of unmatchedRows(document.rows, before))
      context.output.warn(context.messages.notInBaseline(key, options.compare!));
  const failures = findFailures(conditions, document.rows, comparisons);
  await print(context, document, comparisons, failures, options);
  if (failures.length > 0)
    throw new ValidationError(
      failures.map(({ condition, row, value }) => `${row}: ${condition} holds (${value.toPrecision(4)})`).join('; '),
      { code: 'bench-regression', facts: { failures } },
    );
}

// --- internal ---

async function findSubjects(context: Context, name: string | undefined, options: BenchOptions): Promise<Subject[]> {
  const suite = SUITES[options.suite ?? 'minis'];
  const models = name === undefined ? suite.models : [name];
  const dtypes = options.dtype ?? (name === undefined ? suite.dtypes : [undefined]);
  const folders: string[] = [];
  for (const model of models)
    for (const dtype of dtypes) {
      const folder = await ensureModel(context, model, { dtype, device: options.device, auto: options.auto });
      if (!folders.includes(folder)) folders.push(folder);
    }
  return Promise.all(folders.map(async (folder) => ({ folder, work: await workOf(folder) })));
}

/** What the graph that runs with every token asks for. */
async function workOf(folder: string): Promise<MatrixWork> {
  const manifest = await readManifest(folder);
  const matrices = (await listMatrices(path.join(folder, mainGraph(manifest)))).filter((m) => m.dependsOnIds);
  // of an encoder too, since nobody asks for logits here; one that was converted long ago computes them at every position
  const projectsOne = kindOf(manifest) !== 'encoder' || takesPositions(manifest);
  const isLast = ({ outFeatures }: { outFeatures: number }): boolean =>
    projectsOne && outFeatures === Number(manifest.config.vocabularyRows);
  const weightsOf = (list: typeof matrices): number => list.reduce((sum, m) => sum + m.inFeatures * m.outFeatures, 0);
  return {
    perToken: weightsOf(matrices.filter((m) => !isLast(m))),
    perSequence: weightsOf(matrices.filter(isLast)),
    bytesPerStep: matrices.reduce((sum, m) => sum + m.sizeBytes, 0),
    arithmetic: matrices.some((m) => m.arithmetic === 'int8') ? 'int8' : 'float32',
  };
}

const takesPositions = ({ graphs }: Manifest): boolean =>
  graphs.some(({ inputs }) => inputs.some(({ name }) => name === LOGIT_POSITIONS));

function mainGraph({ graphs }: Manifest): string {
  return (graphs.find(({ name }) => name === 'decoder_model_merged') ?? graphs.find(({ name }) => name === 'model')!)
    .file;
}

/** Rounds in which the machine and every subject are measured once, each in a process of its own. */
async function measure(
  context: Context,
  subjects: readonly Subject[],
  {
    device,
    threads = context.environment.threads,
    batch: batches,
    sequence: sequences,
    newTokens,
    rounds,
  }: BenchOptions,
): Promise<BenchDocument> {
  const loadBefore = os.loadavg()[0] ?? 0;
  const job = { kind: 'model', device: device ?? 'auto', threads, batches, sequences, newTokens } as const;
  const answers = subjects.map((): ModelAnswer[] => []);
  const limits: Limits[] = [];
  const progress = await context.output.progress('bench', 'trials');
  const total = rounds * (subjects.length + 1);
  let done = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      for (const [i, { folder }] of subjects.entries()) {
        const { trial, warnings } = await runJob({ ...job, folder }, context.signal);
        if (round === 0) for (const warning of warnings) context.output.warn(warning);
        answers[i]!.push(trial);
        progress.update(++done, total);
      }
      // last, since what a model is refused for should not take the time of this
      limits.push((await runJob({ kind: 'limits', threads }, context.signal)).limits);
      progress.update(++done, total);
    }
  } finally {
    progress.stop();
  }
  const first = answers[0]?.[0] ?? { runtime: 'capi', device: 'cpu' };
  const onCpu = first.device === 'cpu' ? bestLimits(limits) : null;
  return {
    schema: BENCH_SCHEMA,
    environment: {
      ...environmentOf(first, threads),
      date: new Date().toISOString(),
      cores: os.availableParallelism(),
      memoryBytes: os.totalmem(),
      loadBefore,
    },
    settings: { rounds, newTokens },
    limits: onCpu,
    rows: subjects.flatMap(({ work }, i) => rowsOf(answers[i]!, work, onCpu)),
  };
}

function rowsOf(trials: readonly ModelAnswer[], work: MatrixWork, limits: Limits | null): BenchRow[] {
  const [{ model, kind, dtype, device, shapes }] = trials as [ModelAnswer];
  return shapes.map((shape, i) => {
    const { batch, sequence } = shape;
    const over = (of: 'examplesPerSecond' | 'prefillTokensPerSecond' | 'decodeTokensPerSecond') =>
      shape[of] === null ? null : summarize(trials.map((trial) => trial.shapes[i]![of]!));
    const examplesPerSecond = over('examplesPerSecond');
    const prefillTokensPerSecond = over('prefillTokensPerSecond');
    const decodeTokensPerSecond = over('decodeTokensPerSecond');
    const speeds = {
      examplesPerSecond: examplesPerSecond?.median ?? null,
      prefillTokensPerSecond: prefillTokensPerSecond?.median ?? null,
      decodeTokensPerSecond: decodeTokensPerSecond?.median ?? null,
    };
    const shares: Shares = limits
      ? sharesOf(kind, { batch, sequence }, speeds, work, limits)
      : { decodeBandwidthShare: null, prefillPeakShare: null, examplesPeakShare: null };
    return {
      ...{ model, kind, dtype, device, batch, sequence },
      loadMs: summarize(trials.map(({ loadMs }) => loadMs)),
      peakRssBytes: summarize(trials.map(({ peakRssBytes }) => peakRssBytes)),
      ...{ examplesPerSecond, prefillTokensPerSecond, decodeTokensPerSecond },
      ...shares,
    };
  });
}

async function print(
  { output, environment: { language } }: Context,
  document: BenchDocument,
  comparisons: readonly Comparison[] | undefined,
  failures: readonly Failure[],
  { format }: BenchOptions,
): Promise<void> {
  if (output.json)
    return output.result(
      { ...document, ...(comparisons && { comparisons }), ...(failures.length > 0 && { failures }) },
      () => '',
    );
  if (format === 'markdown') return output.line(benchMarkdown(document, comparisons, language).trimEnd());
  const tables = [
    ...(document.rows.length > 0 ? [benchTable(document.rows, language)] : []),
    ...(comparisons ? [comparisonTable(comparisons, language)] : []),
  ];
  for (const { columns, rows } of tables) output.line(`${await formatTable(output, columns, rows)}\n`);
  for (const note of benchNotes(document, language)) output.line(note);
}
