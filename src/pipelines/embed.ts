/** feature-extraction: one vector for a text. */
import { cosine, meanRows, normalize } from '../tensor/math.ts';
import { UsageError } from '../util/errors.ts';
import { classify } from './classify.ts';
import type { Encoder } from './encoder.ts';
import { encodeText, type Truncated, truncatedMark } from './texts.ts';

/** How token vectors become one: the first token's, the mean of all (specials too), or the trained pooler's. */
export const POOLINGS = ['cls', 'mean', 'pooler'] as const;
export type Pooling = (typeof POOLINGS)[number];

export interface EmbedOptions {
  /** @default "mean" */
  readonly pooling?: Pooling;
  /** Scale to length 1. @default false */
  readonly normalize?: boolean;
  /** Called for each text that was longer than the model reads: its end was cut off. */
  readonly onTruncated?: ((index: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One vector of hiddenSize numbers for each text. */
export async function embed(
  model: Encoder,
  texts: readonly string[],
  options: EmbedOptions = {},
): Promise<Float32Array[]> {
  const { pooling = 'mean' } = options;
  const rows = texts.map((text) => encodeText(model, { text }));
  for (const [index, { truncated }] of rows.entries()) if (truncated) options.onTruncated?.(index);
  const outputs = await model.run(rows, [pooling === 'pooler' ? 'pooler_output' : 'last_hidden_state'], options.signal);
  return outputs.map(([output]) => {
    const { shape, values } = output!;
    const size = shape.at(-1)!;
    const vector = pooling === 'mean' ? meanRows(values, size) : values.slice(0, size);
    return options.normalize ? normalize(vector) : vector;
  });
}

/** Parses the value of --pooling. */
export function parsePooling(value: string): Pooling {
  const found = POOLINGS.find((pooling) => pooling === value);
  if (found) return found;
  throw new UsageError(`--pooling ${value}: expected one of ${POOLINGS.join(', ')}`, { code: 'unknown-pooling' });
}

export interface Similarity extends Truncated {
  readonly score: number;
  /** Where the score comes from: a sentence-pair head's probability of "similar", or the cosine of mean vectors. */
  readonly method: 'head' | 'cosine';
}

/**
 * How alike two texts are: by a fine-tuned two-class pair head (label 1 = similar, as the -Similarity derivatives
 * have it), else the cosine of their mean vectors.
 */
export async function similarity(model: Encoder, a: string, b: string, signal?: AbortSignal): Promise<Similarity> {
  if (isSimilarityHead(model)) {
    const [result] = await classify(model, [{ text: a, pair: b }], signal);
    const { labels, truncated } = result!;
    const score = labels.find(({ index }) => index === 1)!.probability;
    return { score, method: 'head', ...(truncated && { truncated }) };
  }
  let truncated = false;
  const onTruncated = (): void => {
    truncated = true;
  };
  const [first, second] = (await embed(model, [a, b], { signal, onTruncated })) as [Float32Array, Float32Array];
  return { score: cosine(first, second), method: 'cosine', ...truncatedMark({ truncated }) };
}

/** The head's own label names must say so: any other classifier's second class would be taken for "similar". */
function isSimilarityHead(model: Encoder): boolean {
  const { labels } = model.manifest;
  return labels?.length === 2 && model.has('class_logits') && /^(similar|similarity|相似)$/i.test(labels[1]!);
}
