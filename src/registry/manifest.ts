/**
 * manifest.json, the contract in each model folder: `convert` writes it, everything that runs the model reads it.
 * With it the engine needs no knowledge of architectures.
 */
import { randomBytes } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { NotFoundError, UnsupportedError } from '../util/errors.ts';
import { isContainedPath, pathExists, syncFile } from '../util/files.ts';
import { parseWith, readJson } from '../util/json.ts';
import { ARCHITECTURES, HUB_TASKS, TOKENIZER_KINDS } from './schema.ts';

export const MANIFEST_FILE = 'manifest.json';
export const MANIFEST_SCHEMA = 'fsb.manifest/1';

/** Precision of a converted model's weights, as in `fsb convert --dtype`. */
export const MODEL_DTYPES = ['fp32', 'fp16', 'int8', 'int4'] as const;
export type ModelDtype = (typeof MODEL_DTYPES)[number];

const text = z.string().min(1);
const count = z.number().int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits');
const containedPath = text.refine(isContainedPath, 'expected a relative path that stays inside the model folder');
const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** A file with what is needed to check it. Paths are relative to the folder and use "/". */
const fileSchema = z.strictObject({ path: containedPath, sizeBytes: count, sha256 });

const valueSchema = z.strictObject({
  name: text,
  /** As in tensor/dtype.ts: int64, float32, … */
  dtype: text,
  /** Numbers are fixed, strings symbolic: batch_size, sequence_length, past_sequence_length, total_sequence_length. */
  shape: z.array(z.union([z.string(), count])),
});

const inputSchema = valueSchema.extend({
  /** Name inside the ONNX file. */
  name: text,
  /** True when the graph has a default for it, so that a run may leave it out. */
  optional: z.boolean().optional(),
});

const outputSchema = valueSchema.extend({
  /** What fsb calls it: mlm_logits, class_logits, last_hidden_state, … (cli.md, fsb.infer/1). */
  name: text,
  /** Name inside the ONNX file, e.g. "logits". */
  graphName: text,
});

const graphSchema = z
  .strictObject({
    /** Which part of the model: "model", "encoder_model", "decoder_model_merged". */
    name: text,
    /** The ONNX file, e.g. "onnx/model.onnx". */
    file: containedPath,
    sizeBytes: count,
    sha256,
    /** Its external data, e.g. "onnx/model.onnx_data"; null when the weights are inside the ONNX file. */
    dataFile: containedPath.nullable(),
    dataSizeBytes: count.nullable(),
    dataSha256: sha256.nullable(),
    inputs: z.array(inputSchema).min(1),
    outputs: z.array(outputSchema).min(1),
  })
  .refine(
    ({ dataFile, dataSizeBytes, dataSha256 }) =>
      (dataFile === null) === (dataSizeBytes === null) && (dataFile === null) === (dataSha256 === null),
    'dataFile, dataSizeBytes and dataSha256 are given together or all null',
  );

/** How the tensors of the checkpoint lie in the data file: for `inspect --hash` and `diff`. */
const weightSchema = z.strictObject({
  /** Initializer in the graphs. */
  name: text,
  /** float32 or float16. */
  dtype: text,
  shape: z.array(count),
  /** Where it begins in the data file, in bytes. */
  offset: count,
  /** Canonical names of the checkpoint's tensors in it, one below the other (before the transposition). */
  tensors: z.array(text).min(1),
  transposed: z.boolean(),
  /** Zeros after each head along one dimension. */
  heads: z
    .strictObject({ dimension: z.union([z.literal(0), z.literal(1)]), headSize: count, paddedSize: count })
    .optional(),
});

const specialTokenSchema = z.strictObject({ token: text, id: count });

const tokenizerSchema = z.strictObject({
  kind: z.enum(TOKENIZER_KINDS),
  /** Tokenizer files in the model folder. */
  files: z.array(containedPath).min(1),
  /** What the kind's own files do not say: doLowerCase, addPrefixSpace, addedTokens (in order of their ids), … */
  options: z.record(z.string(), z.union([scalar, z.array(z.string())])),
  /** Ids the tokenizer can produce; rows of the embedding beyond it are padding and must never be predicted. */
  vocabularySize: count,
  specialTokens: z.strictObject({
    pad: specialTokenSchema.optional(),
    unk: specialTokenSchema.optional(),
    cls: specialTokenSchema.optional(),
    sep: specialTokenSchema.optional(),
    mask: specialTokenSchema.optional(),
    bos: specialTokenSchema.optional(),
    eos: specialTokenSchema.optional(),
  }),
});

/** How each matrix came to its format: see fsb convert --budget. */
const precisionSchema = z.strictObject({
  /** What was held, and to what: kl in nats, accuracy-drop in points. */
  budget: z.strictObject({ measure: z.enum(['kl', 'accuracy-drop']), limit: z.number().positive() }),
  /** The whole model against float32 on the calibration texts. */
  measured: z.strictObject({ kl: z.number(), accuracyDrop: z.number() }),
  calibration: z.strictObject({ file: text, sha256, texts: count, places: count }),
  matrices: z.array(
    z.strictObject({
      /** Canonical names of the checkpoint's tensors, joined with "|". */
      name: text,
      /** int4/32 (bits/block), int8/columns, float16, … */
      format: text,
      /** The measure with this matrix alone in the smallest format; null where that was not needed. */
      alone: z.number().nullable(),
    }),
  ),
});

const probeSchema = z.strictObject({
  /** What the ids encode; checks the tokenizer. */
  text: z.string(),
  /** Which graph it runs on: "probe" is the model cut to its first layer. */
  graph: text,
  /** One row of ids by input name, batch dimension left out. */
  inputs: z.record(z.string(), z.array(z.number().int())),
  /** Which output, by fsb's name. */
  output: text,
  /** Its leading values, flat in row-major order. */
  values: z.array(z.number()).min(1),
  /** Largest absolute difference that is still the same model, for this dtype. */
  tolerance: z.number().positive(),
});

export const manifestSchema = z.strictObject({
  schema: z.literal(MANIFEST_SCHEMA),
  /** Registry name, or the folder's name for a checkpoint that is not in the registry. */
  name: text,
  architecture: z.enum(ARCHITECTURES),
  task: z.enum(HUB_TASKS),
  dtype: z.enum(MODEL_DTYPES),
  /** Parameters of the checkpoint, tied ones once, buffers not. */
  parameters: count,
  source: z.strictObject({
    /** Registry name or hub id the checkpoint came from; null or absent for a plain folder. */
    name: text.nullish(),
    /** Commit or branch, "local" for an imported file. */
    revision: text.nullish(),
    /** The checkpoint's files as they were converted. */
    files: z.array(fileSchema).min(1),
  }),
  /** Dimensions and non-shape facts: vocabularyRows, hiddenSize, numHiddenLayers, numAttentionHeads, layerNormEps, … */
  config: z.record(z.string(), scalar),
  /**
   * How weights were quantised; null or absent for fp32 and fp16. Block sizes are the largest: a matrix whose rows they do not
   * divide has smaller ones.
   */
  quantisation: z.record(z.string(), scalar).nullish(),
  /** Formats that were chosen matrix by matrix. */
  precision: precisionSchema.optional(),
  graphs: z.array(graphSchema).min(1),
  weights: z.array(weightSchema),
  /** null where the checkpoint came without tokenizer files: such a model takes ids and no text. */
  tokenizer: tokenizerSchema.nullable(),
  /** Names of the classifier's logits by index; null without such a head. */
  labels: z.array(text).nullable(),
  /** Known answers, for `fsb verify`. */
  probes: z.array(probeSchema),
  createdBy: z.strictObject({ fsb: text, node: text, date: z.iso.datetime().optional() }),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestFile = z.infer<typeof fileSchema>;
export type ManifestGraph = z.infer<typeof graphSchema>;
export type ManifestInput = z.infer<typeof inputSchema>;
export type ManifestOutput = z.infer<typeof outputSchema>;
export type ManifestTokenizer = z.infer<typeof tokenizerSchema>;
export type ManifestWeight = z.infer<typeof weightSchema>;
export type ManifestProbe = z.infer<typeof probeSchema>;
export type ManifestPrecision = z.infer<typeof precisionSchema>;
export type SpecialToken = z.infer<typeof specialTokenSchema>;

/**
 * Reads a model folder's manifest. Throws NotFoundError (not-a-model) where there is none, UnsupportedError
 * (manifest-version) for one of another version of fsb, IntegrityError for a malformed one.
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const file = path.join(folder, MANIFEST_FILE);
  if (!(await pathExists(file)))
    throw new NotFoundError(`${folder} is not a converted model: it has no ${MANIFEST_FILE}`, {
      code: 'not-a-model',
      hint: `if it holds a PyTorch checkpoint, run: fsb convert ${folder}`,
    });
  const value = await readJson(file);
  const schema = z.looseObject({ schema: z.string() }).safeParse(value).data?.schema;
  if (schema?.startsWith('fsb.manifest/') && schema !== MANIFEST_SCHEMA)
    throw new UnsupportedError(`${file} has schema ${schema}; this fsb reads ${MANIFEST_SCHEMA}`, {
      code: 'manifest-version',
      hint: 'convert the model again with this fsb, or use the fsb that converted it',
    });
  return parseWith(manifestSchema, value, file);
}

/** Writes a model folder's manifest, checked first, in one step: a reader sees the former file or this one. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  const file = path.join(folder, MANIFEST_FILE);
  const checked = parseWith(manifestSchema, manifest, file);
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`;
  try {
    await writeFile(partial, `${JSON.stringify(checked, null, 2)}\n`);
    await syncFile(partial);
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
