/**
 * The shape of registry.json: what exists, where it comes from, how big it is, what it scored. People write that
 * file, so each field says who reads it, as in huggingface.js `model-libraries.ts`.
 *
 * Facts carry a confidence where they were not read verbatim from a published source:
 * B = forced by arithmetic on published sizes, C = an educated guess, to be checked when the file is at hand.
 */
import { z } from 'zod';
import { normalizeName } from './names.ts';

export const SERIES = ['erlangshen', 'zhouwenwang', 'wenzhong', 'yuyuan', 'randeng'] as const;
export type Series = (typeof SERIES)[number];

/** Architectures that `convert` builds; one file each in src/architectures. */
export const ARCHITECTURES = ['megatron-bert', 'zhouwenwang', 'gpt2', 'megatron-t5', 't5', 'bert'] as const;
export type ArchitectureName = (typeof ARCHITECTURES)[number];

/** Tasks by their Hub tag. */
export const HUB_TASKS = [
  'fill-mask',
  'text-classification',
  'token-classification',
  'multiple-choice',
  'zero-shot-classification',
  'text-generation',
  'text2text-generation',
  'feature-extraction',
  'question-answering',
] as const;
export type HubTask = (typeof HUB_TASKS)[number];

/** wordpiece: vocab.txt; byte-bpe: vocab.json + merges.txt; unigram: a SentencePiece model. */
export const TOKENIZER_KINDS = ['wordpiece', 'byte-bpe', 'unigram'] as const;
export type TokenizerKind = (typeof TOKENIZER_KINDS)[number];

const text = z.string().min(1);
const bilingual = z.strictObject({ zh: text, en: text });
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hex digits');
const md5 = z.string().regex(/^[0-9a-f]{32}$/, 'expected 32 lower-case hex digits');
const count = z.number().int().nonnegative();
const confidence = z.enum(['B', 'C']);
const hubId = z.string().regex(/^[\w.-]+\/[\w.-]+$/, 'expected owner/name');
/** Presigned URLs carry secrets and expire: they belong to `fsb pull --mirror`, never into a registry. */
const plainUrl = z
  .url({ protocol: /^https?$/ })
  .refine((url) => !url.includes('?'), 'expected a URL without query: signatures do not belong here');

const modelSourceSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    /** A zip in the package. Consumer: hub (copies instead of downloading), demo. */
    kind: z.literal('bundled'),
    /** Relative to the folder of the registry file. */
    path: text,
    sha256,
    sizeBytes: count,
  }),
  z.strictObject({
    /** A Hugging Face repository, also reached through its mirrors. Consumer: hub. */
    kind: z.literal('huggingface'),
    repo: hubId,
    /** Ids the repository had before it was renamed. Consumer: lookup by name, cache adoption. */
    formerRepos: z.array(hubId).default([]),
    /** A commit (40 hex digits) to pin. Absent: the main branch as it is when pulled. Consumer: hub. */
    revision: text.optional(),
  }),
  z.strictObject({
    /** A ModelScope repository; its spelling may differ from Hugging Face's. Consumer: hub, lookup by name. */
    kind: z.literal('modelscope'),
    repo: hubId,
  }),
  z.strictObject({
    /** A zip at a URL, as the first releases were published (Huawei OBS). Consumer: hub, info, import. */
    kind: z.literal('archive'),
    url: plainUrl,
    /** Day (UTC) since which the published signature is refused; null where the URL needs none. Consumer: hub's advice. */
    expired: z.iso.date().nullable(),
    format: z.literal('zip'),
  }),
]);

const publishedScoreSchema = z.strictObject({
  /** Task in lower case, as `fsb eval --task` calls it where it can run it. Consumer: eval, info. */
  task: text,
  /** Which benchmark's version of the task it is (ocnli exists in both). */
  benchmark: z.enum(['clue', 'fewclue', 'other']).default('clue'),
  /** null where the publisher does not name it. */
  metric: text.nullable(),
  /** Fractions, not percentages: 0.7608. */
  value: z.number(),
  /** null where neither stated nor inferable. Consumer: eval (only scores of its own split are compared). */
  split: text.nullable(),
  /** How the model came to the score. Consumer: eval (a zero-shot score is no reference for a fine-tuned head). */
  method: z.enum(['fine-tuned', 'few-shot', 'zero-shot', 'human']).default('fine-tuned'),
  /** Of the split and the metric; the value itself is always verbatim. */
  confidence: confidence.optional(),
  source: text,
  note: text.optional(),
});

const promptSchema = z.strictObject({
  /** Input that works as pasted. Consumer: info, demo, probes. */
  text,
  /** Second segment of a pair. */
  pair: text.optional(),
  /** Decoding options in the publisher's words, camelCase. Consumer: info. */
  options: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])).optional(),
  /** The published answer: a token, a label or a continuation. Consumer: info; demo where the options are deterministic. */
  expected: text.optional(),
  source: text,
});

export const modelEntrySchema = z.strictObject({
  /** Name for people. Consumer: list, info. */
  title: bilingual,
  /** Consumer: list --series. */
  series: z.enum(SERIES),
  /** Other names people use, in any script; hub ids are found without being listed. Consumer: lookup by name. */
  aliases: z.array(text).default([]),
  /** What the tensors are, whatever config.json says; null where fsb has no such architecture. Consumer: list, info, convert's plan. */
  architecture: z.enum(ARCHITECTURES).nullable(),
  /** What the published checkpoint is for, by Hub tag. Consumer: list --task, info, the default pipeline. */
  task: z.enum(HUB_TASKS),
  /** Further tasks the same weights serve. Consumer: list --task, info. */
  moreTasks: z.array(z.enum(HUB_TASKS)).default([]),
  /** Names of the classifier's logits by index; null without such a head. Consumer: convert (manifest labels), classify. */
  labels: z.array(text).nullable().default(null),
  /** CLUE tasks the head answers → the task's own label for each logit index. Consumer: eval --method head. */
  clueTasks: z.record(z.string(), z.array(text)).default({}),
  language: z.enum(['zh', 'en']),
  /** Parameters, tied ones once, buffers not; confidence C: the nominal number of the name. Consumer: list, memory estimate of info. */
  parameters: count.nullable(),
  /** What the memory estimate of info needs beside; absent where a number was never published. */
  dimensions: z
    .strictObject({
      embeddingRows: count,
      hiddenSize: count,
      /** Layers with keys and values; 0 for encoders. */
      decoderLayers: z.int().nonnegative(),
      /** The longest context, in tokens. */
      positions: count,
    })
    .optional(),
  /** Type of the stored weights. Consumer: info, size estimates. */
  checkpointDtype: z.enum(['float16', 'float32']).nullable(),
  /** Bytes of the weights file, to the digits the hub's page shows (exact for bundled ones). Consumer: list, disk check before pull. */
  sizeBytes: count.nullable(),
  /** Consumer: info, convert. */
  tokenizer: z.enum(TOKENIZER_KINDS).nullable(),
  /** SPDX id; null where none is stated. Consumer: info. */
  license: text.nullable(),
  /** Where the bytes are, best first. Consumer: hub. */
  sources: z.array(modelSourceSchema),
  /** Scores printed by the publisher. Consumer: eval (reference column), info. */
  published: z.array(publishedScoreSchema).default([]),
  /** Consumer: info, demo. */
  prompts: z.array(promptSchema).default([]),
  /** How a bare question becomes the model's prompt: {text} is replaced. Consumer: generate. */
  promptTemplate: text.optional(),
  /** Keys into the table `caveats`. Consumer: info; eval prints `possibly-contaminated` and `unimc-training-tasks`, run commands `english-only`. */
  caveats: z.array(text).default([]),
  /** Confidence of single fields of this entry; a field that is not here was read verbatim. Consumer: info. */
  confidence: z.record(z.string(), confidence).default({}),
  /** Whatever else a user or maintainer should know, with where it was read. Consumer: info. */
  notes: z.array(text).default([]),
});

const datasetSourceSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    /** A folder in the package. Consumer: hub, eval. */
    kind: z.literal('bundled'),
    path: text,
  }),
  z.strictObject({
    /** A zip at a URL. Consumer: hub. */
    kind: z.literal('archive'),
    role: z.enum(['official', 'mirror']),
    url: plainUrl,
    format: z.literal('zip'),
    /** Folder inside the zip, below a repository's top folder, that the files' paths start from; absent: found by base name. */
    folder: text.optional(),
    /** Of the zip. Official zips were replaced more than once, so the files' own hashes decide, these only explain. */
    sizeBytes: count.nullable().default(null),
    sha256: sha256.nullable().default(null),
    md5: md5.nullable().default(null),
    confidence: confidence.optional(),
    note: text.optional(),
  }),
]);

const datasetFileSchema = z.strictObject({
  /** Path below the data set's folder, e.g. "dev.json" or "tnews/test_public.json". Consumer: eval. */
  path: text,
  /** Consumer: hub and `cache verify`. */
  md5: md5.nullable().default(null),
  sha256: sha256.nullable().default(null),
  sizeBytes: count.nullable().default(null),
  /** Lines; those labelled "-" included. Consumer: eval (warns of a truncated file). */
  rows: count.nullable().default(null),
  /** Other contents in circulation under this name. Consumer: eval (names the variant in its provenance). */
  variants: z.array(z.strictObject({ md5, rows: count, note: text })).default([]),
  note: text.optional(),
});

export const datasetEntrySchema = z.strictObject({
  /** Consumer: list of tasks, eval's table. */
  title: bilingual,
  description: bilingual,
  /** Consumer: lookup by name. */
  aliases: z.array(text).default([]),
  sources: z.array(datasetSourceSchema),
  files: z.array(datasetFileSchema).default([]),
  /** SPDX id; null where none is stated. Consumer: eval (prints it before the first download). */
  license: text.nullable(),
  notes: z.array(text).default([]),
});

const evalDefaultSchema = z.strictObject({
  /** Registry name taken when `fsb eval` gets no --model; null where no fine-tuned head is published. */
  model: text.nullable(),
  /** Why this one, or why none and what to pass instead. Consumer: eval (stderr, or the hint of its error). */
  reason: bilingual,
  /** Other registry names with a head for the task. Consumer: eval's hint. */
  alternatives: z.array(text).default([]),
});

const referenceSchema = z.strictObject({
  /** A model (or "human") that fsb does not carry, as the source calls it. Consumer: eval (reference column). */
  model: text,
  published: z.array(publishedScoreSchema).min(1),
});

export const registrySchema = z
  .strictObject({
    /** Of this schema; a reader refuses what it does not know. */
    version: z.literal(1),
    /** By registry name: lower case, words joined by "-". */
    models: z.record(z.string().regex(/^[a-z0-9][a-z0-9.-]*$/), modelEntrySchema),
    datasets: z.record(z.string().regex(/^[a-z0-9][a-z0-9.-]*$/), datasetEntrySchema),
    /** Warnings that several entries share. */
    caveats: z.record(z.string().regex(/^[a-z0-9-]+$/), bilingual),
    references: z.array(referenceSchema).default([]),
    defaults: z.strictObject({ evalModel: z.record(z.string(), evalDefaultSchema) }),
  })
  .superRefine((registry, context) => {
    const report = (path: string[], message: string): void => context.addIssue({ code: 'custom', path, message });
    for (const [name, entry] of Object.entries(registry.models)) {
      for (const key of entry.caveats)
        if (!Object.hasOwn(registry.caveats, key))
          report(['models', name, 'caveats'], `"${key}" is not in the table caveats`);
      for (const field of Object.keys(entry.confidence))
        if (!Object.hasOwn(modelEntrySchema.shape, field))
          report(['models', name, 'confidence'], `"${field}" is not a field of a model`);
      for (const [task, labels] of Object.entries(entry.clueTasks))
        if (labels.length !== entry.labels?.length)
          report(
            ['models', name, 'clueTasks', task],
            `expected ${entry.labels?.length ?? 0} labels, one for each of the model's, found ${labels.length}`,
          );
    }
    for (const [task, { model, alternatives }] of Object.entries(registry.defaults.evalModel))
      for (const name of [...(model === null ? [] : [model]), ...alternatives])
        if (!Object.hasOwn(registry.models, name))
          report(['defaults', 'evalModel', task], `"${name}" is not in the table models`);
    for (const clash of sharedNames(registry.models, modelNames)) report(['models'], clash);
    for (const clash of sharedNames(registry.datasets, datasetNames)) report(['datasets'], clash);
  });

export type RegistryDocument = z.infer<typeof registrySchema>;
export type ModelEntry = z.infer<typeof modelEntrySchema>;
export type ModelSource = z.infer<typeof modelSourceSchema>;
export type DatasetEntry = z.infer<typeof datasetEntrySchema>;
export type DatasetSource = z.infer<typeof datasetSourceSchema>;
export type DatasetFile = z.infer<typeof datasetFileSchema>;
export type PublishedScore = z.infer<typeof publishedScoreSchema>;
export type Prompt = z.infer<typeof promptSchema>;
export type EvalDefault = z.infer<typeof evalDefaultSchema>;
export type Bilingual = z.infer<typeof bilingual>;

/** Every name a model is found by: key, titles, aliases, hub ids with and without their owner, former ids. */
export function modelNames(name: string, entry: ModelEntry): string[] {
  const repos = entry.sources.flatMap((source) =>
    source.kind === 'huggingface'
      ? [source.repo, ...source.formerRepos]
      : source.kind === 'modelscope'
        ? [source.repo]
        : [],
  );
  const bare = repos.map((repo) => repo.slice(repo.indexOf('/') + 1));
  return [name, entry.title.zh, entry.title.en, ...entry.aliases, ...repos, ...bare];
}

/** Every name a data set is found by. */
export function datasetNames(name: string, entry: DatasetEntry): string[] {
  return [name, entry.title.zh, entry.title.en, ...entry.aliases];
}

// --- internal ---

/** A name may belong to one entry only, else a lookup would depend on the order of the file. */
function sharedNames<E>(entries: Record<string, E>, namesOf: (name: string, entry: E) => string[]): string[] {
  const owner = new Map<string, string>();
  const clashes: string[] = [];
  for (const [key, entry] of Object.entries(entries))
    for (const name of namesOf(key, entry)) {
      const normalized = normalizeName(name);
      const other = owner.get(normalized) ?? key;
      if (other !== key) clashes.push(`"${name}" names both ${other} and ${key}`);
      owner.set(normalized, other);
    }
  return clashes;
}
