/**
 * What a probe sees of an example: the frozen encoder's vectors, pooled. A single text is one vector. A pair is read as
 * one input, and with mean pooling becomes u | v | |u − v| of its two segments' means (Reimers & Gurevych 2019,
 * arXiv:1908.10084, table 6), since one mean over both cannot say whether they agree. Where the labels are candidates of
 * the row, each candidate is put into the text and has a vector of its own.
 */
import type { Pooling } from '../../pipelines/embed.ts';
import type { Encoder } from '../../pipelines/encoder.ts';
import { type EncodedText, encodeText } from '../../pipelines/texts.ts';
import { meanRows } from '../../tensor/math.ts';
import { UnsupportedError } from '../../util/errors.ts';
import type { ClueTask } from '../clue-task.ts';
import type { Example } from '../dataset.ts';
import { fillPrompt, labelWords } from '../methods/prompt.ts';

/** An example as the model reads it: one row, or one per candidate. */
export type FeatureRows = readonly EncodedText[];

export interface FeatureReader {
  encode(example: Example): FeatureRows;
  /** How many numbers an example's vectors have together. */
  sizeOf(rows: FeatureRows): number;
  /** For each example its vectors one after the other, (variants · size). */
  read(batch: readonly FeatureRows[], signal?: AbortSignal): Promise<Float32Array[]>;
}

export interface FeatureOptions {
  readonly pooling: Pooling;
  /** Longest input in tokens. */
  readonly maxLength: number;
}

/** Throws UnsupportedError when the model has no such pooling, or the task's labels are candidates without a text. */
export function featureReader(model: Encoder, task: ClueTask, { pooling, maxLength }: FeatureOptions): FeatureReader {
  const output = pooling === 'pooler' ? 'pooler_output' : 'last_hidden_state';
  if (!model.has(output))
    throw new UnsupportedError(`${model.manifest.name} has no ${output} to train a probe on`, {
      code: 'missing-output',
      hint: '--pooling mean and cls need last_hidden_state, --pooling pooler a trained pooler',
    });
  const hiddenSize = Number(model.manifest.config.hiddenSize);
  return {
    encode: (example) => textsOf(task, example).map((text) => encodeText(model, text, maxLength)),
    sizeOf: (rows) => rows.length * hiddenSize * (pooling === 'mean' && rows[0]!.segments.includes(1) ? 3 : 1),
    async read(batch, signal) {
      const outputs = await model.run(batch.flat(), [output], signal);
      let at = 0;
      return batch.map((rows) => concatenate(rows.map(({ segments }) => pool(outputs[at++]![0]!, segments, pooling))));
    },
  };
}

/** Vectors per example: 1, or as many as there are candidates. */
export function variantsOf(task: ClueTask): number {
  return task.candidateText === undefined ? 1 : task.labels.length;
}

// --- internal ---

function textsOf(task: ClueTask, example: Example): readonly { text: string; pair?: string }[] {
  const { candidateText } = task;
  if (candidateText !== undefined)
    return labelWords(task, 'candidates', example).map((label) => ({
      text: fillPrompt(candidateText, example, { label }),
    }));
  if (example.candidates)
    throw new UnsupportedError(`${task.name}: its labels mean something else in each row, so no probe can learn them`, {
      code: 'probe-candidates',
    });
  return [example];
}

function pool(
  { shape, values }: { readonly shape: readonly number[]; readonly values: Float32Array },
  segments: readonly number[],
  pooling: Pooling,
): Float32Array {
  const size = shape.at(-1)!;
  if (pooling !== 'mean') return values.slice(0, size);
  const split = segments.indexOf(1);
  if (split < 0) return meanRows(values, size);
  const u = meanRows(values.subarray(0, split * size), size);
  const v = meanRows(values.subarray(split * size), size);
  return concatenate([u, v, u.map((value, i) => Math.abs(value - v[i]!))]);
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
