/** Scores a classifier on a split: predictions, accuracy with its uncertainty, and everything needed to judge the number. */
import { argmax, softmax } from '../tensor/math.ts';
import { UsageError } from '../util/errors.ts';
import type { ClueTask } from './clue-task.ts';
import type { Example, LoadedSplit } from './dataset.ts';
import {
  confusionMatrix,
  countCorrect,
  expectedCalibrationError,
  findNearTies,
  type LabelScore,
  majorityBaseline,
  scoreLabels,
} from './metrics.ts';
import { DEFAULT_BATCH_TOKENS, type HeadPredictions, type PredictHeadOptions, predictHead } from './predict.ts';
import { type Prediction, writePredictions } from './predictions.ts';
import type { PublishedReference } from './references.ts';
import { type Interval, isInside, wilsonInterval } from './statistics.ts';

/** Which weights were scored. */
export interface ModelIdentity {
  readonly name: string;
  /** Commit of the checkpoint; null where it has none (a local folder). */
  readonly revision: string | null;
  readonly dtype: string;
}

export interface EvaluateHeadOptions extends Omit<PredictHeadOptions, 'examples'> {
  readonly data: LoadedSplit;
  readonly model: ModelIdentity;
  /** Scores to hold the result against. @default none */
  readonly published?: readonly PublishedReference[] | undefined;
  /** Where the answers are written, one JSON line per example, whole or not at all. @default nowhere */
  readonly predictionsFile?: string | undefined;
  /** Machine, runtime, device, threads: copied into the result. */
  readonly environment: Readonly<Record<string, unknown>>;
}

/** One run of `fsb.eval/1`. Shares are fractions in 0..1. */
export interface EvaluationRun {
  readonly task: string;
  readonly split: string;
  readonly method: 'head';
  readonly model: ModelIdentity;
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
  readonly correct: number;
  readonly accuracy: number;
  /** Wilson's 95 % interval. */
  readonly ci95: Interval;
  /** Accuracy of always giving the most frequent label of these examples. */
  readonly majority: number;
  readonly majorityLabel: string;
  /** Accuracy of guessing: 1 / labels. */
  readonly random: number;
  readonly published: readonly (PublishedReference & { readonly insideInterval: boolean })[];
  /** The order of `perLabel`, `confusion` and of the scores in the predictions file. */
  readonly labels: readonly string[];
  readonly perLabel: readonly LabelScore[];
  /** confusion[i][j]: examples of label i that were given label j. */
  readonly confusion: readonly (readonly number[])[];
  /** Expected calibration error. */
  readonly ece: number;
  /** Examples whose best two logits lie within 1e-3: their answer may turn with rounding. */
  readonly nearTies: readonly {
    readonly index: number;
    readonly id: string | number;
    readonly labels: readonly [string, string];
    readonly gap: number;
  }[];
  readonly maxLength: number;
  readonly batchTokens: number;
  /** Input tokens without padding. */
  readonly tokens: number;
  readonly startedAt: string;
  readonly seconds: number;
  readonly environment: Readonly<Record<string, unknown>>;
  readonly predictionsFile: string | null;
}

/**
 * Evaluates a fine-tuned classifier on a labelled split.
 * @throws UsageError for an unlabelled split, and what predictHead throws. On any error no predictions file is left.
 */
export async function evaluateHead(options: EvaluateHeadOptions): Promise<EvaluationRun> {
  const { task, data, predictionsFile } = options;
  if (!data.labelled)
    throw new UsageError(`${data.file} has no labels, so ${task.name} ${data.split} cannot be scored`, {
      code: 'unlabelled-split',
      hint: 'score --split dev; for the leaderboard, write a submission file instead',
    });
  const startedAt = new Date();
  const began = performance.now();
  const predictions = await predictHead({ ...options, examples: data.examples });
  const seconds = (performance.now() - began) / 1000;
  const { answers, ...scores } = scorePredictions(task, data.examples, predictions, options.published ?? []);
  if (predictionsFile !== undefined) await writePredictions(predictionsFile, answers);
  return {
    task: task.name,
    split: data.split,
    method: 'head',
    model: options.model,
    data: { file: data.file, md5: data.md5, official: data.official ?? null, variant: data.variant ?? null },
    examples: data.examples.length,
    available: data.available,
    dropped: data.dropped,
    ...scores,
    maxLength: options.maxLength ?? task.maxLength,
    batchTokens: options.batchTokens ?? DEFAULT_BATCH_TOKENS,
    tokens: predictions.tokens,
    startedAt: startedAt.toISOString(),
    seconds,
    environment: options.environment,
    predictionsFile: predictionsFile ?? null,
  };
}

/** Everything that follows from the logits; no clock, no disk. */
function scorePredictions(
  task: ClueTask,
  examples: readonly Example[],
  { logits }: HeadPredictions,
  published: readonly PublishedReference[],
) {
  const labels = task.labels.map((label) => label.value);
  const expected = examples.map((example) => labels.indexOf(example.label!));
  const predicted = logits.map((row) => argmax(row));
  const correct = countCorrect(expected, predicted);
  const ci95 = wilsonInterval(correct, examples.length);
  const confusion = confusionMatrix(expected, predicted, labels.length);
  const majority = majorityBaseline(expected, labels.length);
  const answers: Prediction[] = examples.map((example, i) => ({
    id: example.id,
    label: example.label!,
    prediction: labels[predicted[i]!]!,
    scores: Array.from(logits[i]!),
  }));
  return {
    answers,
    correct,
    accuracy: correct / examples.length,
    ci95,
    majority: majority.accuracy,
    majorityLabel: labels[majority.label]!,
    random: 1 / labels.length,
    published: published.map((score) => ({ ...score, insideInterval: isInside(score.accuracy, ci95) })),
    labels,
    perLabel: scoreLabels(confusion, labels),
    confusion,
    ece: expectedCalibrationError(
      logits.map((row, i) => softmax(row)[predicted[i]!]!),
      predicted.map((label, i) => label === expected[i]),
    ),
    nearTies: findNearTies(logits).map(({ index, best, gap }) => ({
      index,
      id: examples[index]!.id,
      labels: [labels[best[0]]!, labels[best[1]]!] as const,
      gap,
    })),
  };
}
