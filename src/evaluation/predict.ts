/** Runs a method over examples: batches of like length, whole batches to each shard, nothing twice. */
import { UsageError, ValidationError } from '../util/errors.ts';
import { planBatches } from './batches.ts';
import type { Example } from './dataset.ts';
import type { Method } from './methods/method.ts';

/** The score of a label that a row does not offer: below every logit and log-likelihood, and a number in JSON. */
export const NOT_OFFERED = -1e9;

/** Of a text, reports show so many characters. */
const MAX_TEXT_CHARACTERS = 240;

/** Which part of the batches is run: `index` from 1 to `count`. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

export interface PredictProgress {
  /** Examples scored so far, former runs' included. */
  readonly done: number;
  readonly total: number;
}

/** A batch as it was scored: what the journal keeps. */
export interface ScoredBatch {
  /** Number of the batch in the plan of the whole split. */
  readonly batch: number;
  readonly seconds: number;
  readonly rows: readonly ScoredRow[];
}

export interface ScoredRow {
  /** Place of the example among those of the split. */
  readonly index: number;
  readonly id: string | number;
  readonly label: string | null;
  /** Input tokens, without padding. */
  readonly tokens: number;
  /** The beginning of each segment, for people who read the report: shards are merged where the data is not at hand. */
  readonly texts: readonly string[];
  /** In the order of the task's labels. */
  readonly scores: Float32Array;
  /** See ClueRow. */
  readonly group?: number | undefined;
  /** Open questions: what the model answered, and what would have been right. */
  readonly answer?: string | undefined;
  readonly answers?: readonly string[] | undefined;
}

export interface PredictOptions {
  readonly method: Method;
  /** How many labels the task has; 0 for open questions. */
  readonly labels: number;
  readonly examples: readonly Example[];
  /** Rows × longest row of a batch, padding included. @default the method's */
  readonly batchTokens?: number | undefined;
  /** @default all */
  readonly shard?: Shard | undefined;
  /** Batches that need not be run again. */
  readonly done?: readonly ScoredBatch[] | undefined;
  /** Called after each batch, before the next: what must outlive a crash is written here. */
  readonly onBatch?: ((batch: ScoredBatch) => Promise<void>) | undefined;
  readonly onProgress?: ((progress: PredictProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Scores of every example of the shard, in file order. The plan of batches is made over the whole split and dealt out
 * batch by batch, so that a row is computed beside the same rows in every shard: the numbers are the same to the last bit.
 * The examples need no labels, so test files can be predicted too.
 * @throws ValidationError for scores that are no numbers; whatever `signal` was aborted with
 */
export async function predict(options: PredictOptions): Promise<ScoredBatch[]> {
  const { method, examples, shard = { index: 1, count: 1 }, onProgress, signal } = options;
  const prepared = await method.prepare(examples, signal);
  const plan = planBatches(prepared.lengths, options.batchTokens ?? method.batchTokens)
    .map((indices, batch) => ({ indices, batch }))
    .filter(({ batch }) => batch % shard.count === shard.index - 1);
  if (plan.length === 0)
    throw new UsageError(
      `shard ${shard.index}/${shard.count} has nothing to do: ${examples.length} examples make too few batches`,
      { code: 'empty-shard', hint: 'use fewer shards, or a smaller --batch-tokens for all of them' },
    );
  const known = new Map(options.done?.map((batch) => [batch.batch, batch]));
  const total = plan.reduce((sum, { indices }) => sum + indices.length, 0);
  const results: ScoredBatch[] = [];
  let done = 0;
  onProgress?.({ done, total });
  for (const { indices, batch } of plan) {
    const former = known.get(batch);
    const scored = former ?? (await scoreBatch(batch, indices));
    if (!former) await options.onBatch?.(scored);
    results.push(scored);
    done += indices.length;
    onProgress?.({ done, total });
  }
  return results;

  async function scoreBatch(batch: number, indices: readonly number[]): Promise<ScoredBatch> {
    signal?.throwIfAborted();
    const began = performance.now();
    const scores = await prepared.score(indices, signal);
    if (scores.length !== indices.length)
      throw new Error(`the scorer returned ${scores.length} rows for a batch of ${indices.length}`);
    const rows = indices.map((index, i) => {
      const { id, label = null, text, pair, group, answers, candidates } = examples[index]!;
      const expected = options.labels === 0 ? 1 : (candidates?.length ?? options.labels);
      return {
        index,
        id,
        label,
        tokens: prepared.lengths[index]!,
        texts: [text, pair].filter((segment) => segment !== undefined).map(excerpt),
        scores: filled(checked(scores[i]!, expected, id), options.labels),
        ...(group !== undefined && { group }),
        ...(prepared.answerOf && { answer: prepared.answerOf(index) }),
        ...(answers && { answers }),
      };
    });
    return { batch, seconds: (performance.now() - began) / 1000, rows };
  }
}

// --- internal ---

function excerpt(text: string): string {
  const characters = [...text.slice(0, 2 * MAX_TEXT_CHARACTERS + 2)]; // a code point has two units at most
  return characters.length > MAX_TEXT_CHARACTERS ? `${characters.slice(0, MAX_TEXT_CHARACTERS).join('')}…` : text;
}

/** Scores of all labels, where the row has fewer candidates. */
function filled(scores: Float32Array, labels: number): Float32Array {
  if (scores.length >= labels) return scores;
  const all = new Float32Array(labels).fill(NOT_OFFERED);
  all.set(scores);
  return all;
}

function checked(scores: Float32Array, labels: number, id: string | number): Float32Array {
  if (scores.length !== labels) throw new Error(`the method returned ${scores.length} scores for ${labels} labels`);
  if (!scores.every(Number.isFinite))
    throw new ValidationError(`example ${id}: the model's logits are not finite (${scores.join(', ')})`, {
      code: 'logits-not-finite',
      hint: 'fsb verify checks the model; a type of lower precision may overflow where fp32 does not',
    });
  return scores;
}
