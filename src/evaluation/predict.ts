/** Runs a classifier over examples: batches of like length, results back in file order and in the task's label order. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ValidationError } from '../util/errors.ts';
import { planBatches } from './batches.ts';
import type { ClueTask } from './clue-task.ts';
import type { Example } from './dataset.ts';
import type { EncodedRow, HeadScorer } from './head-scorer.ts';
import { type LabelOrder, mapLabels } from './labels.ts';

/** 32 rows of 128 tokens: where encoders on a CPU stop getting faster. */
export const DEFAULT_BATCH_TOKENS = 4096;

/** Examples encoded between two looks at the event loop: a signal is noticed within milliseconds. */
const ENCODE_SLICE = 256;

export interface PredictProgress {
  /** Examples scored so far. */
  readonly done: number;
  readonly total: number;
}

export interface PredictHeadOptions {
  readonly task: ClueTask;
  readonly examples: readonly Example[];
  readonly scorer: HeadScorer;
  /** @default the scorer's own label names */
  readonly labelOrder?: LabelOrder | undefined;
  /** Longest input in tokens. @default the task's */
  readonly maxLength?: number | undefined;
  /** Rows × longest row of a batch, padding included. @default 4096 */
  readonly batchTokens?: number | undefined;
  readonly onProgress?: ((progress: PredictProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HeadPredictions {
  /** (examples, labels): logits in file order and in the order of the task's labels. */
  readonly logits: readonly Float32Array[];
  /** Input tokens of all examples, without padding. */
  readonly tokens: number;
}

/**
 * Logits of every example; the examples need no labels, so test files can be predicted too.
 * @throws UnsupportedError when the classifier's labels are not the task's, ValidationError for logits that are no
 * numbers; whatever `signal` was aborted with.
 */
export async function predictHead(options: PredictHeadOptions): Promise<HeadPredictions> {
  const { task, examples, scorer, labelOrder, onProgress, signal } = options;
  const columns = mapLabels(task, scorer.labels, labelOrder);
  const rows = await encodeAll(examples, scorer, options.maxLength ?? task.maxLength, signal);
  const lengths = rows.map((row) => row.ids.length);
  const logits = new Array<Float32Array>(examples.length);
  let done = 0;
  onProgress?.({ done, total: examples.length });
  for (const batch of planBatches(lengths, options.batchTokens ?? DEFAULT_BATCH_TOKENS)) {
    signal?.throwIfAborted();
    const scores = await scorer.score(
      batch.map((index) => rows[index]!),
      signal,
    );
    if (scores.length !== batch.length)
      throw new Error(`the scorer returned ${scores.length} rows for a batch of ${batch.length}`);
    for (const [i, index] of batch.entries()) logits[index] = inTaskOrder(scores[i]!, columns, examples[index]!);
    done += batch.length;
    onProgress?.({ done, total: examples.length });
  }
  return { logits, tokens: lengths.reduce((sum, length) => sum + length, 0) };
}

// --- internal ---

async function encodeAll(
  examples: readonly Example[],
  scorer: HeadScorer,
  maxLength: number,
  signal: AbortSignal | undefined,
): Promise<EncodedRow[]> {
  const rows: EncodedRow[] = [];
  for (const [index, example] of examples.entries()) {
    if (index % ENCODE_SLICE === 0) {
      await nextTurn();
      signal?.throwIfAborted();
    }
    const row = scorer.encode(example, maxLength);
    if (row.ids.length !== row.typeIds.length || row.ids.length === 0 || row.ids.length > maxLength)
      throw new Error(
        `the scorer encoded example ${example.id} as ${row.ids.length} ids and ${row.typeIds.length} types; expected 1 to ${maxLength} of each`,
      );
    rows.push(row);
  }
  return rows;
}

/** (labels of the model) → (labels of the task) */
function inTaskOrder(scores: Float32Array, columns: readonly number[], example: Example): Float32Array {
  if (scores.length !== columns.length)
    throw new Error(`the scorer returned ${scores.length} logits for ${columns.length} labels`);
  if (!scores.every(Number.isFinite))
    throw new ValidationError(`example ${example.id}: the model's logits are not finite (${scores.join(', ')})`, {
      code: 'logits-not-finite',
      hint: 'fsb verify checks the model; a type of lower precision may overflow where fp32 does not',
    });
  return Float32Array.from(columns, (column) => scores[column]!);
}
