/**
 * How far a quantised model's predictions are from those of the float model, on texts without labels: Kullback–Leibler
 * divergence, share of equal first choices, and perplexity where the text itself is the answer.
 */
import type { Row } from '../pipelines/encoder.ts';
import type { Runnable } from '../pipelines/runnable.ts';
import { startToken } from '../pipelines/special-tokens.ts';
import { argmax, logSumExp } from '../tensor/math.ts';
import { UnsupportedError } from '../util/errors.ts';

/** One place at which a model predicts. */
interface Place {
  readonly row: number;
  /** Index of the position in the row's output; undefined when the row has one prediction. */
  readonly position: number | undefined;
  /** The token that stands there in the text; undefined for a class. */
  readonly target: number | undefined;
}

/** What is run, and where the result is looked at. */
export interface FidelityPlan {
  readonly rows: readonly Row[];
  readonly output: string;
  readonly places: readonly Place[];
}

export interface Fidelity {
  /** Mean over the places of Σ p ln(p ÷ q), p of the reference, in nats. */
  readonly kl: number;
  /** Share of places at which the likeliest choice is the same. */
  readonly top1: number;
  /** exp of the mean negative log-probability of the text's own tokens; null for classes. */
  readonly perplexity: number | null;
}

/** Texts are cut to this many tokens: enough context, little time. */
const MAX_TOKENS = 64;
/** Of a text for a masked model every so manieth token is hidden, as in training (15 %). */
const MASK_EVERY = 6;
const BATCH_ROWS = 16;

/**
 * Encodes texts for the model's main head: the class of each text, the tokens behind masks, or the next token everywhere.
 * Throws UnsupportedError for a model without such a head.
 */
export function planFidelity(model: Runnable, texts: readonly string[]): FidelityPlan {
  const output = ['class_logits', 'mlm_logits', 'lm_logits', 'logits'].find((name) => model.outputs.includes(name));
  if (output === undefined)
    throw new UnsupportedError(
      `${model.manifest.name} gives no probabilities (it has ${model.outputs.join(', ')}), so nothing can be compared`,
      { code: 'no-logits' },
    );
  const encode =
    ENCODERS[output === 'logits' && model.outputs.includes('encoder_last_hidden_state') ? 'source' : output]!;
  const rows: Row[] = [];
  const places: Place[] = [];
  for (const text of texts) {
    const encoded = encode(model, text);
    if (encoded.places.length === 0) continue;
    places.push(...encoded.places.map((place) => ({ ...place, row: rows.length })));
    rows.push(encoded.row);
  }
  return { rows, output, places };
}

/** The logits at each place of the plan, in its order, cut to the ids that the tokenizer can produce. */
export async function collectLogits(
  model: Runnable,
  plan: FidelityPlan,
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const result: Float32Array[] = [];
  for (let from = 0; from < plan.rows.length; from += BATCH_ROWS) {
    const batch = plan.rows.slice(from, from + BATCH_ROWS);
    const outputs = await model.run(batch, [plan.output], signal);
    for (const { row, position } of plan.places) {
      if (row < from || row >= from + batch.length) continue;
      const { shape, values } = outputs[row - from]![0]!;
      const columns = shape.at(-1)!;
      const start = (position ?? 0) * columns;
      const used = position === undefined ? columns : Math.min(columns, model.requireTokenizer().vocabularySize);
      result.push(values.slice(start, start + used));
    }
  }
  return result;
}

/** Compares two models' logits at the same places; the first are those of the reference. */
export function compareLogits(
  plan: FidelityPlan,
  reference: readonly Float32Array[],
  logits: readonly Float32Array[],
): Fidelity {
  let [kl, same, surprise, targets] = [0, 0, 0, 0];
  for (const [i, { target }] of plan.places.entries()) {
    const [p, q] = [reference[i]!, logits[i]!];
    const [logZp, logZq] = [logSumExp(p), logSumExp(q)];
    for (let k = 0; k < p.length; k++) {
      const logP = p[k]! - logZp;
      kl += Math.exp(logP) * (logP - (q[k]! - logZq));
    }
    if (argmax(p) === argmax(q)) same++;
    if (target === undefined) continue;
    surprise += logZq - q[target]!;
    targets++;
  }
  const count = plan.places.length;
  return {
    kl: Math.max(0, kl / count), // rounding may leave −1e-9 where nothing differs
    top1: same / count,
    perplexity: targets === 0 ? null : Math.exp(surprise / targets),
  };
}

// --- internal ---

interface EncodedText {
  readonly row: Row;
  readonly places: readonly Omit<Place, 'row'>[];
}

const ENCODERS: Readonly<Record<string, (model: Runnable, text: string) => EncodedText>> = {
  class_logits: encodeClass,
  mlm_logits: encodeMasked,
  lm_logits: encodeMasked,
  logits: encodeNext,
  source: encodeSource,
};

function encodeClass(model: Runnable, text: string): EncodedText {
  const { ids, typeIds } = model.requireTokenizer().encodeIds(text, lengthOf(model));
  return { row: { ids, typeIds }, places: [{ position: undefined, target: undefined }] };
}

function encodeMasked(model: Runnable, text: string): EncodedText {
  const tokenizer = model.requireTokenizer();
  const mask = tokenizer.specialTokens.mask;
  if (!mask)
    throw new UnsupportedError(`${model.manifest.name}: its tokenizer has no mask token`, { code: 'no-mask-token' });
  const { ids, typeIds } = tokenizer.encodeIds(text, lengthOf(model));
  // the first and the last are the special tokens that enclose the text
  const hidden = ids.flatMap((_, i) => (i > 0 && i < ids.length - 1 && i % MASK_EVERY === 2 ? [i] : []));
  const masked = ids.map((id, i) => (hidden.includes(i) ? mask.id : id));
  return { row: { ids: masked, typeIds }, places: hidden.map((i) => ({ position: i, target: ids[i] })) };
}

function encodeNext(model: Runnable, text: string): EncodedText {
  const { ids } = model.requireTokenizer().encodeIds(text, { ...lengthOf(model), addSpecialTokens: false });
  return { row: { ids }, places: ids.slice(1).map((target, i) => ({ position: i, target })) };
}

/** The first half is the source, the second what the decoder writes. */
function encodeSource(model: Runnable, text: string): EncodedText {
  const tokenizer = model.requireTokenizer();
  const { ids } = tokenizer.encodeIds(text, lengthOf(model));
  const half = ids.length >> 1;
  const rest = ids.slice(half);
  const start = startToken({ manifest: model.manifest, tokenizer }) ?? tokenizer.specialTokens.pad?.id ?? 0;
  const row = { ids: ids.slice(0, half), decoderIds: [start, ...rest.slice(0, -1)] };
  return { row, places: half === 0 ? [] : rest.map((target, i) => ({ position: i, target })) };
}

function lengthOf(model: Runnable): { maxLength: number; truncation: 'longest-first' } {
  return { maxLength: Math.min(MAX_TOKENS, model.maxLength), truncation: 'longest-first' };
}
