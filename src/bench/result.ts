/** The document of `fsb bench`, fsb.bench/1: what was measured on which machine, row by row. */
import { z } from 'zod';
import { IntegrityError, UnsupportedError } from '../util/errors.ts';
import { parseWith, readJson } from '../util/json.ts';

export const BENCH_SCHEMA = 'fsb.bench/1';

export const MODEL_KINDS = ['encoder', 'decoder', 'encoder-decoder'] as const;

const summary = z.object({
  median: z.number(),
  min: z.number(),
  max: z.number(),
  spread: z.number(),
  trials: z.array(z.number()).min(1),
});

/**
 * What the machine reaches with the same threads, in the same run: the best of all trials. `null` where the models run
 * on another device than the CPU, whose limits are not known.
 */
const limits = z
  .object({
    /** Bytes per second that a sum over an array far larger than the caches reads. */
    readBytesPerSecond: z.number().positive(),
    readArrayBytes: z.number().positive(),
    /** Multiplications and additions per second of a float32 matrix product. */
    float32OperationsPerSecond: z.number().positive(),
    /** The same of 8-bit integers. */
    int8OperationsPerSecond: z.number().positive(),
  })
  .nullable();

const row = z.object({
  model: z.string(),
  kind: z.enum(MODEL_KINDS),
  dtype: z.string(),
  device: z.string(),
  /** Rows that run together. */
  batch: z.number().int().positive(),
  /** Tokens of each row before anything is generated. */
  sequence: z.number().int().positive(),
  /** From the start of opening to a model that can run; the process and the runtime are new, the file cache is warm. */
  loadMs: summary,
  /** Of the process that runs the model, Node and ONNX Runtime included. */
  peakRssBytes: summary,
  /** Encoders: rows per second. */
  examplesPerSecond: summary.nullable(),
  /** Decoders: tokens of the prompt, encoder-decoders: tokens of the source, per second, up to the first logits. */
  prefillTokensPerSecond: summary.nullable(),
  /** New tokens per second of all rows together, the choice of the token included. */
  decodeTokensPerSecond: summary.nullable(),
  /** Weight bytes that a decoding step reads × steps per second ÷ readBytesPerSecond. */
  decodeBandwidthShare: z.number().nullable(),
  /** Multiplications and additions of the matrices ÷ what the machine reaches in their type. */
  prefillPeakShare: z.number().nullable(),
  examplesPeakShare: z.number().nullable(),
});

export const benchSchema = z.object({
  schema: z.literal(BENCH_SCHEMA),
  environment: z.record(z.string(), z.unknown()),
  settings: z.object({ rounds: z.number(), newTokens: z.number() }),
  limits,
  rows: z.array(row),
});

export type BenchDocument = z.infer<typeof benchSchema>;
export type BenchRow = z.infer<typeof row>;
export type Limits = NonNullable<z.infer<typeof limits>>;
export type ModelKind = (typeof MODEL_KINDS)[number];

/** Reads a document that `fsb bench --json` printed. Throws NotFoundError, IntegrityError, or UnsupportedError for another version. */
export async function readBench(file: string): Promise<BenchDocument> {
  const value = await readJson(file);
  const schema = z.looseObject({ schema: z.string() }).safeParse(value).data?.schema;
  if (schema === undefined || !schema.startsWith('fsb.bench/'))
    throw new IntegrityError(`${file}: expected a document with schema ${BENCH_SCHEMA}, found ${schema ?? 'none'}`, {
      code: 'not-a-bench-result',
      hint: 'save one with: fsb bench MODEL --json > FILE',
    });
  if (schema !== BENCH_SCHEMA)
    throw new UnsupportedError(`${file} has schema ${schema}; this fsb reads ${BENCH_SCHEMA}`, {
      code: 'bench-version',
    });
  return parseWith(benchSchema, value, file);
}

/** What makes two rows the same measurement. */
export function rowKey({ model, dtype, device, batch, sequence }: BenchRow): string {
  return `${model} ${dtype} ${device} ${batch}×${sequence}`;
}
