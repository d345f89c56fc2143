/** A fine-tuned classification head: its logits, put into the task's order. */
import type { ClueTask } from '../clue-task.ts';
import type { HeadScorer } from '../head-scorer.ts';
import { type LabelOrder, mapLabels } from '../labels.ts';
import { encodeAll, type Method } from './method.ts';

/**
 * Where encoders on a CPU are fastest: activations of more tokens leave the caches. Processor time per row of 32 tokens, BERT of
 * width 768 on two Zen 4 cores with 32 MB: 256 to 1024 tokens 21.4 ms in fp32 and 8 ms in int8, 4096 tokens 25.5 and 8.7.
 */
export const HEAD_BATCH_TOKENS = 1024;

export interface HeadMethodOptions {
  readonly task: ClueTask;
  readonly scorer: HeadScorer;
  /** @default the scorer's own label names */
  readonly labelOrder?: LabelOrder | undefined;
  /** Longest input in tokens. @default the task's */
  readonly maxLength?: number | undefined;
}

/** Throws UnsupportedError when the classifier's labels are not the task's. */
export function headMethod({ task, scorer, labelOrder, maxLength = task.maxLength }: HeadMethodOptions): Method {
  const columns = mapLabels(task, scorer.labels, labelOrder);
  return {
    name: 'head',
    maxLength,
    details: { labelOrder: labelOrder === undefined ? 'of the model' : labelOrder },
    batchTokens: HEAD_BATCH_TOKENS,
    async prepare(examples, signal) {
      const encode = (example: (typeof examples)[number]) => {
        const row = scorer.encode(example, maxLength);
        if (row.ids.length !== row.typeIds.length || row.ids.length === 0 || row.ids.length > maxLength)
          throw new Error(
            `the scorer encoded example ${example.id} as ${row.ids.length} ids and ${row.typeIds.length} types; expected 1 to ${maxLength} of each`,
          );
        return row;
      };
      const rows = await encodeAll(examples, encode, signal);
      return {
        lengths: rows.map((row) => row.ids.length),
        async score(indices, stop) {
          const scores = await scorer.score(
            indices.map((index) => rows[index]!),
            stop,
          );
          return scores.map((row) => {
            if (row.length !== columns.length)
              throw new Error(`the scorer returned ${row.length} logits for ${columns.length} labels`);
            return Float32Array.from(columns, (column) => row[column]!);
          });
        },
      };
    },
  };
}
