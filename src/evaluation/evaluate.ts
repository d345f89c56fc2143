/** Scores a model on a split: predictions, accuracy with its uncertainty, and everything needed to judge the number. */
import { softmax } from '../tensor/math.ts';
import { UsageError } from '../util/errors.ts';
import type { ClueTask } from './clue-task.ts';
import type { LoadedSplit } from './dataset.ts';
import { decide } from './decide.ts';
import { type Journal, openJournal } from './journal.ts';
import { type HeadMethodOptions, headMethod } from './methods/head.ts';
import type { Method } from './methods/method.ts';
import {
  confusionMatrix,
  countCorrect,
  expectedCalibrationError,
  findNearTies,
  type LabelScore,
  majorityBaseline,
  scoreLabels,
} from './metrics.ts';
import { type PredictProgress, predict, type ScoredBatch, type ScoredRow, type Shard } from './predict.ts';
import { type Prediction, writePredictions } from './predictions.ts';
import type { PublishedReference } from './references.ts';
import type { ModelIdentity, RunHeader } from './run-header.ts';
import { MAX_WORST, scoreAnswers } from './score-answers.ts';
import { type Interval, isInside, wilsonInterval } from './statistics.ts';

export type { ModelIdentity } from './run-header.ts';

export interface EvaluateOptions {
  readonly task: ClueTask;
  readonly method: Method;
  readonly data: LoadedSplit;
  /** What was asked for, e.g. "auto". @default the method's name */
  readonly methodAsked?: string | undefined;
  /** The train split of a few-shot fold. @default none */
  readonly fold?: string | undefined;
  readonly model: ModelIdentity;
  /** sha256 of the checkpoint's files. @default none are known */
  readonly modelFiles?: Readonly<Record<string, string>> | undefined;
  /** Rows × longest row of a batch, padding included. @default the method's */
  readonly batchTokens?: number | undefined;
  /** Scores to hold the result against. @default none */
  readonly published?: readonly PublishedReference[] | undefined;
  /** Where the answers are written, one JSON line per example, whole or not at all. @default nowhere */
  readonly predictionsFile?: string | undefined;
  /** Where finished batches are kept while the run goes on, and after it for `merge`. @default nowhere */
  readonly journalFile?: string | undefined;
  /** Go on with the journal that is there. @default false */
  readonly resume?: boolean | undefined;
  /** @default the whole split */
  readonly shard?: Shard | undefined;
  /** Machine, runtime, device, threads: copied into the result. */
  readonly environment: Readonly<Record<string, unknown>>;
  readonly onProgress?: ((progress: PredictProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface EvaluateHeadOptions extends Omit<EvaluateOptions, 'method'>, HeadMethodOptions {}

/** One run of `fsb.eval/1`. Shares are fractions in 0..1. */
export interface EvaluationRun {
  readonly task: string;
  readonly split: string;
  readonly method: string;
  /** What was asked for: the method, or "auto". */
  readonly methodAsked: string;
  /** The train split of a few-shot fold; null for other methods. */
  readonly fold: string | null;
  /** Prompt, words, label order. */
  readonly methodDetails: Readonly<Record<string, unknown>>;
  readonly model: ModelIdentity;
  /** sha256 of the checkpoint's files, by path. */
  readonly modelFiles: Readonly<Record<string, string>>;
  /** The file the examples came from; `official` is null where the official hash is unknown, `variant` names other known bytes. */
  readonly data: {
    readonly file: string;
    readonly md5: string;
    readonly official: boolean | null;
    readonly variant: string | null;
  };
  /** Scored examples. */
  readonly examples: number;
  /** Examples the split holds; more than `examples` when a limit was set. */
  readonly available: number;
  /** Rows left out for their label. */
  readonly dropped: number;
  /** Seed of the subset; null when the whole split was scored. */
  readonly sampleSeed: number | null;
  /** null for a whole run or merged shards. */
  readonly shard: Shard | null;
  readonly correct: number;
  readonly accuracy: number;
  /** Wilson's 95 % interval. */
  readonly ci95: Interval;
  /** Accuracy of always giving the most frequent label of these examples; null for open questions. */
  readonly majority: number | null;
  readonly majorityLabel: string | null;
  /** Accuracy of guessing: 1 / labels; null for open questions. */
  readonly random: number | null;
  /** Open questions: the second half of their score. `accuracy` is their exact match. */
  readonly f1?: {
    readonly f1: number;
    /** Bootstrap. */
    readonly ci95: Interval;
    /** Mean of exact match and F1. */
    readonly average: number;
  };
  readonly published: readonly (PublishedReference & { readonly insideInterval: boolean })[];
  /** The order of `perLabel`, `confusion` and of the scores in the predictions file. */
  readonly labels: readonly string[];
  readonly perLabel: readonly LabelScore[];
  /** confusion[i][j]: examples of label i that were given label j. */
  readonly confusion: readonly (readonly number[])[];
  /** Expected calibration error; null for open questions. */
  readonly ece: number | null;
  /** Examples whose best two logits lie within 1e-3: their answer may turn with rounding. */
  readonly nearTies: readonly {
    readonly index: number;
    readonly id: string | number;
    readonly labels: readonly [string, string];
    readonly gap: number;
  }[];
  /** The wrong answers that the model was surest of, surest first; of open questions those furthest from right. */
  readonly worst: readonly {
    /** Place of the example among those of the split (of the subset, under a limit). */
    readonly index: number;
    readonly id: string | number;
    /** Each segment, cut to an excerpt. */
    readonly texts: readonly string[];
    readonly label: string;
    readonly prediction: string;
    /** null for open questions. */
    readonly probability: number | null;
  }[];
  readonly maxLength: number;
  readonly batchTokens: number;
  /** Input tokens without padding. */
  readonly tokens: number;
  /** Day on which the run began (UTC, ISO 8601); of merged shards the first one's. Its hour would tell how a run was split. */
  readonly date: string;
  /** Time the batches took; of merged shards their sum. The one number that a run and its merged shards differ in. */
  readonly seconds: number;
  readonly environment: Readonly<Record<string, unknown>>;
  readonly predictionsFile: string | null;
}

/**
 * Evaluates a labelled split.
 * @throws UsageError for an unlabelled split, and what the method and predict throw. On any error no predictions file is
 * left; the journal stays, and `resume` goes on with it.
 */
export async function evaluate(options: EvaluateOptions): Promise<EvaluationRun> {
  const { data, task } = options;
  if (!data.labelled)
    throw new UsageError(`${data.file} has no labels, so ${task.name} ${data.split} cannot be scored`, {
      code: 'unlabelled-split',
      hint: 'score --split dev; for the leaderboard, write a submission file instead',
    });
  const { header, batches } = await predictSplit(options);
  return finishRun(header, batches, options.predictionsFile);
}

/** As evaluate, for a classification head. */
export function evaluateHead(options: EvaluateHeadOptions): Promise<EvaluationRun> {
  return evaluate({ ...options, method: headMethod(options) });
}

/** Runs the model over a split, labelled or not, keeping a journal when asked to. */
export async function predictSplit(
  options: Omit<EvaluateOptions, 'predictionsFile'>,
): Promise<{ readonly header: RunHeader; readonly batches: readonly ScoredBatch[] }> {
  const { data, method, task } = options;
  const header = headerOf(options);
  const journal: Journal | undefined =
    options.journalFile === undefined
      ? undefined
      : await openJournal(options.journalFile, header, options.resume ?? false);
  try {
    const batches = await predict({
      ...options,
      method,
      labels: task.labels.length,
      examples: data.examples,
      done: journal?.done,
      onBatch: journal && ((batch) => journal.append(batch)),
    });
    await journal?.finish();
    return { header: journal?.header ?? header, batches };
  } finally {
    await journal?.close();
  }
}

/** The report that follows from a header and all its batches, in any order; writes the predictions when asked to. */
export async function finishRun(
  header: RunHeader,
  batches: readonly ScoredBatch[],
  predictionsFile?: string,
): Promise<EvaluationRun> {
  const rows = batches.flatMap((batch) => batch.rows).sort((a, b) => a.index - b.index);
  if (predictionsFile !== undefined) await writePredictions(predictionsFile, answersOf(header, rows));
  const { published, labels, maxLength, batchTokens, startedAt, environment, examples: _, ...before } = header;
  return {
    ...before,
    examples: rows.length,
    ...(labels.length === 0 ? scoreAnswers(rows, published) : scoreRows(labels, rows, published)),
    maxLength,
    batchTokens,
    tokens: rows.reduce((sum, row) => sum + row.tokens, 0),
    date: startedAt.slice(0, 'yyyy-mm-dd'.length),
    seconds: batches.reduce((sum, batch) => sum + batch.seconds, 0),
    environment,
    predictionsFile: predictionsFile ?? null,
  };
}

/** Each row's answer, for the predictions and submission files. */
export function answersOf({ labels }: Pick<RunHeader, 'labels'>, rows: readonly ScoredRow[]): Prediction[] {
  const predicted = decide(rows);
  return rows.map(({ id, label, scores, answer, answers }, i) => ({
    id,
    label,
    prediction: answer ?? labels[predicted[i]!]!,
    scores: Array.from(scores),
    ...(answers && { answers }),
  }));
}

// --- internal ---

function headerOf(options: Omit<EvaluateOptions, 'predictionsFile'>): RunHeader {
  const { task, data, method } = options;
  return {
    task: task.name,
    split: data.split,
    method: method.name,
    methodAsked: options.methodAsked ?? method.name,
    fold: options.fold ?? null,
    methodDetails: method.details,
    model: options.model,
    modelFiles: options.modelFiles ?? {},
    data: { file: data.file, md5: data.md5, official: data.official ?? null, variant: data.variant ?? null },
    examples: data.examples.length,
    available: data.available,
    dropped: data.dropped,
    sampleSeed: data.sampleSeed ?? null,
    labels: task.labels.map((label) => label.value),
    published: options.published ?? [],
    maxLength: method.maxLength,
    batchTokens: options.batchTokens ?? method.batchTokens,
    shard: options.shard ?? null,
    startedAt: new Date().toISOString(),
    environment: options.environment,
  };
}

/** Everything that follows from the scores; no clock, no disk. */
function scoreRows(labels: readonly string[], rows: readonly ScoredRow[], published: readonly PublishedReference[]) {
  const expected = rows.map((row) => labels.indexOf(row.label!));
  const logits = rows.map((row) => row.scores);
  const predicted = decide(rows);
  const correct = countCorrect(expected, predicted);
  const ci95 = wilsonInterval(correct, rows.length);
  const confusion = confusionMatrix(expected, predicted, labels.length);
  const majority = majorityBaseline(expected, labels.length);
  const confidences = logits.map((row, i) => softmax(row)[predicted[i]!]!);
  return {
    correct,
    accuracy: correct / rows.length,
    ci95,
    majority: majority.accuracy,
    majorityLabel: labels[majority.label]!,
    random: 1 / labels.length,
    published: published.map((score) => ({ ...score, insideInterval: isInside(score.accuracy, ci95) })),
    labels,
    perLabel: scoreLabels(confusion, labels),
    confusion,
    ece: expectedCalibrationError(
      confidences,
      predicted.map((label, i) => label === expected[i]),
    ),
    nearTies: findNearTies(logits).map(({ index, best, gap }) => ({
      index: rows[index]!.index,
      id: rows[index]!.id,
      labels: [labels[best[0]]!, labels[best[1]]!] as const,
      gap,
    })),
    worst: rows
      .map((row, i) => ({ row, prediction: labels[predicted[i]!]!, probability: confidences[i]! }))
      .filter(({ row, prediction }) => row.label !== prediction)
      .sort((a, b) => b.probability - a.probability || a.row.index - b.row.index)
      .slice(0, MAX_WORST)
      .map(({ row: { index, id, texts, label }, prediction, probability }) => ({
        index,
        id,
        texts,
        label: label!,
        prediction,
        probability,
      })),
  };
}
