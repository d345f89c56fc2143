/** One trial of a model: opened, warmed up, run at each shape; what it took is told in plain numbers. */
import { Decoder } from '../pipelines/decoder.ts';
import { Encoder, type OpenModelOptions, type Row } from '../pipelines/encoder.ts';
import { EncoderDecoder } from '../pipelines/encoder-decoder.ts';
import type { KeyValueCache } from '../pipelines/key-value-cache.ts';
import { type Manifest, readManifest } from '../registry/manifest.ts';
import type { ModelKind } from './result.ts';
import { planShapes, type Shape } from './shapes.ts';

/** A shape is run again until so much time has passed: a mini answers in a millisecond, which is too little to time. */
const LEAST_MS = 300;

export interface TrialOptions extends OpenModelOptions {
  readonly batches?: readonly number[] | undefined;
  readonly sequences?: readonly number[] | undefined;
  /** Tokens that decoders generate after each prompt. */
  readonly newTokens: number;
}

/** Speeds of one shape; absent is what the kind of model has not. */
export interface ShapeTrial extends Shape {
  readonly examplesPerSecond: number | null;
  readonly prefillTokensPerSecond: number | null;
  readonly decodeTokensPerSecond: number | null;
}

export interface Trial {
  readonly model: string;
  readonly kind: ModelKind;
  readonly dtype: string;
  readonly device: string;
  /** "capi" or "node". */
  readonly runtime: string;
  readonly loadMs: number;
  readonly shapes: readonly ShapeTrial[];
}

/** Opens a model folder and measures it. Expects a fresh process, in which nothing was loaded before. */
export async function runTrial(folder: string, options: TrialOptions): Promise<Trial> {
  const kind = kindOf(await readManifest(folder));
  const started = performance.now();
  const model = await OPEN[kind](folder, options);
  const loadMs = performance.now() - started;
  try {
    const shapes: ShapeTrial[] = [];
    for (const shape of planShapes({ ...options, kind, maxLength: model.maxLength }))
      shapes.push({ ...shape, ...(await measure(model, shape, options.newTokens)) });
    const { manifest, device, runtime } = model;
    return { model: manifest.name, kind, dtype: manifest.dtype, device, runtime, loadMs, shapes };
  } finally {
    await model.dispose();
  }
}

/** What a model is measured as. One that embeds and generates is measured as the encoder. */
export function kindOf(manifest: Manifest): ModelKind {
  if (Encoder.canOpen(manifest)) return 'encoder';
  return EncoderDecoder.canOpen(manifest) ? 'encoder-decoder' : 'decoder';
}

// --- internal ---

type Model = Encoder | Decoder | EncoderDecoder;

const OPEN: Readonly<Record<ModelKind, (folder: string, options: OpenModelOptions) => Promise<Model>>> = {
  encoder: Encoder.open,
  decoder: Decoder.open,
  'encoder-decoder': EncoderDecoder.open,
};

function measure(model: Model, shape: Shape, newTokens: number): Promise<Omit<ShapeTrial, keyof Shape>> {
  if (model instanceof Encoder) return measureEncoder(model, shape);
  return measureGeneration(model, shape, newTokens);
}

async function measureEncoder(model: Encoder, { batch, sequence }: Shape): Promise<Omit<ShapeTrial, keyof Shape>> {
  const rows: Row[] = Array.from({ length: batch }, (_, row) => ({
    ids: someIds(sequence, model.vocabularySize, row),
  }));
  const outputs = [model.has('class_logits') ? 'class_logits' : 'last_hidden_state'];
  await model.run(rows, outputs); // the first run allocates
  let count = 0;
  const started = performance.now();
  do {
    await model.run(rows, outputs);
    count++;
  } while (performance.now() - started < LEAST_MS);
  const seconds = (performance.now() - started) / 1000;
  return { examplesPerSecond: (count * batch) / seconds, prefillTokensPerSecond: null, decodeTokensPerSecond: null };
}

async function measureGeneration(
  model: Decoder | EncoderDecoder,
  shape: Shape,
  newTokens: number,
): Promise<Omit<ShapeTrial, keyof Shape>> {
  await generateOnce(model, shape, Math.min(2, newTokens));
  let [count, prefillMs, decodeMs] = [0, 0, 0];
  do {
    const once = await generateOnce(model, shape, newTokens);
    count++;
    prefillMs += once.prefillMs;
    decodeMs += once.decodeMs;
  } while (prefillMs + decodeMs < LEAST_MS);
  return {
    examplesPerSecond: null,
    prefillTokensPerSecond: (1000 * count * shape.sequence) / prefillMs,
    decodeTokensPerSecond: (1000 * count * shape.batch * newTokens) / decodeMs,
  };
}

/** Reads one prompt, then lets `batch` rows go on from it, each by its likeliest token. */
async function generateOnce(
  model: Decoder | EncoderDecoder,
  { batch, sequence }: Shape,
  newTokens: number,
): Promise<{ prefillMs: number; decodeMs: number }> {
  const ids = someIds(sequence, model.vocabularySize, 0);
  const started = performance.now();
  const { cache, logits } =
    model instanceof Decoder
      ? await model.prefill(ids)
      : await (await model.withSource(ids)).prefill([someIds(1, model.vocabularySize, 1)[0]!]);
  const read = performance.now();
  try {
    await decode(cache, largestIndex(logits, model.vocabularySize), model.vocabularySize, batch, newTokens);
    return { prefillMs: read - started, decodeMs: performance.now() - read };
  } finally {
    await cache.dispose();
  }
}

async function decode(
  cache: KeyValueCache,
  first: number,
  vocabularySize: number,
  batch: number,
  newTokens: number,
): Promise<void> {
  let parents = new Array<number>(batch).fill(0);
  let tokens = new Array<number>(batch).fill(first);
  for (let step = 0; step < newTokens; step++) {
    const logits = await cache.step(
      parents,
      tokens.map((token) => [token]),
    );
    tokens = logits.map((row) => largestIndex(row[0]!, vocabularySize));
    parents = tokens.map((_, row) => row);
  }
}

function largestIndex(logits: Float32Array, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}

/** Ids all over the vocabulary, another sequence for each row: what is said makes no difference to the speed. */
function someIds(length: number, vocabularySize: number, row: number): number[] {
  return Array.from({ length }, (_, t) => (13 + 7919 * (t + 1) + 104729 * row) % vocabularySize);
}
