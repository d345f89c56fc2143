/** registry.json: loading it with the user's overlay, and finding models and data sets by any of their names. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { readEnvironment } from '../util/environment.ts';
import { NotFoundError } from '../util/errors.ts';
import { parseWith, readJson } from '../util/json.ts';
import { normalizeName, suggestNames } from './names.ts';
import {
  type Bilingual,
  type DatasetEntry,
  datasetNames,
  type EvalDefault,
  type ModelEntry,
  modelNames,
  type PublishedScore,
  type RegistryDocument,
  registrySchema,
} from './schema.ts';

export interface RegistryOptions {
  /** @default the registry.json of this package */
  readonly file?: string | undefined;
  /** Merged over it, see mergeOverlay; null for none. @default the variable FSB_REGISTRY */
  readonly overlayFile?: string | null | undefined;
}

export interface Registry extends RegistryDocument {
  /** Folder that paths of bundled sources are relative to. */
  readonly folder: string;
}

/** An entry together with its key. */
export type RegistryModel = ModelEntry & { readonly name: string };
export type RegistryDataset = DatasetEntry & { readonly name: string };

/** A published score together with the model it belongs to; `name` is a registry name or what a reference is called. */
export interface ModelScore extends PublishedScore {
  readonly name: string;
}

/** Both src/registry and dist/registry lie two levels below the package, where registry.json is. */
const BUILT_IN = fileURLToPath(new URL('../../registry.json', import.meta.url));

const entriesSchema = z.record(z.string(), z.record(z.string(), z.unknown())).optional();
const overlaySchema = z.strictObject({
  version: z.literal(1).optional(),
  models: entriesSchema,
  datasets: entriesSchema,
  caveats: entriesSchema,
  references: z.array(z.unknown()).optional(),
  defaults: z.strictObject({ evalModel: entriesSchema }).optional(),
});
type Overlay = z.infer<typeof overlaySchema>;

/**
 * Reads registry.json and merges the overlay over it. Throws NotFoundError for a missing file and IntegrityError
 * for a malformed one, naming file and field.
 */
export async function loadRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const file = options.file ?? BUILT_IN;
  const folder = path.dirname(path.resolve(file));
  const base = parseWith(registrySchema, await readJson(file), file);
  const overlayFile = options.overlayFile === undefined ? readEnvironment().registryFile : options.overlayFile;
  if (!overlayFile) return { ...base, folder };
  const overlay = parseWith(overlaySchema, await readJson(overlayFile), overlayFile);
  const merged = mergeOverlay(base, overlay, path.dirname(path.resolve(overlayFile)));
  return { ...parseWith(registrySchema, merged, `${overlayFile} merged over ${file}`), folder };
}

/** All models with their names, in the order of the file. */
export function allModels(registry: Registry): RegistryModel[] {
  return Object.entries(registry.models).map(([name, entry]) => ({ ...entry, name }));
}

/** All data sets with their names, in the order of the file. */
export function allDatasets(registry: Registry): RegistryDataset[] {
  return Object.entries(registry.datasets).map(([name, entry]) => ({ ...entry, name }));
}

/** The model with this registry name, alias, hub id or former hub id, written with any case, width and separators. */
export function findModel(registry: Registry, name: string): RegistryModel | undefined {
  const key = findKey(modelIndex(registry), name);
  const entry = key === undefined ? undefined : registry.models[key];
  return key === undefined || entry === undefined ? undefined : { ...entry, name: key };
}

/** As findModel; throws NotFoundError (unknown-model) with the nearest names. */
export function getModel(registry: Registry, name: string): RegistryModel {
  return findModel(registry, name) ?? refuse('model', name, modelIndex(registry), 'fsb list shows every model');
}

/** The data set with this name or alias. */
export function findDataset(registry: Registry, name: string): RegistryDataset | undefined {
  const key = findKey(datasetIndex(registry), name);
  const entry = key === undefined ? undefined : registry.datasets[key];
  return key === undefined || entry === undefined ? undefined : { ...entry, name: key };
}

/** As findDataset; throws NotFoundError (unknown-dataset) with the nearest names. */
export function getDataset(registry: Registry, name: string): RegistryDataset {
  const known = `known data sets: ${Object.keys(registry.datasets).join(', ')}`;
  return findDataset(registry, name) ?? refuse('dataset', name, datasetIndex(registry), known);
}

/** Absolute path of a bundled source. */
export function bundledPath(registry: Registry, source: { readonly path: string }): string {
  return path.resolve(registry.folder, source.path);
}

/** The warnings of an entry in both languages, with their keys. */
export function caveatsOf(registry: Registry, entry: ModelEntry): (Bilingual & { readonly key: string })[] {
  return entry.caveats.flatMap((key) => {
    const caveat = registry.caveats[key];
    return caveat ? [{ ...caveat, key }] : [];
  });
}

/** Which model `fsb eval --task` takes without --model, or why none; undefined for a task the registry does not name. */
export function evalDefault(registry: Registry, task: string): EvalDefault | undefined {
  const { evalModel } = registry.defaults;
  return Object.hasOwn(evalModel, task) ? evalModel[task] : undefined;
}

/** Every score published for a task, of the models here and of the references. */
export function publishedScores(registry: Registry, filter: Partial<PublishedScore>): ModelScore[] {
  const all = [
    ...Object.entries(registry.models).map(([name, { published }]) => ({ name, published })),
    ...registry.references.map(({ model, published }) => ({ name: model, published })),
  ];
  const wanted = Object.entries(filter) as [keyof PublishedScore, unknown][];
  return all.flatMap(({ name, published }) =>
    published
      .filter((score) => wanted.every(([key, value]) => score[key] === value))
      .map((score) => ({ ...score, name })),
  );
}

// --- internal ---

/**
 * Per key: an entry of the overlay replaces the fields it names and leaves the others, a new key is a new entry
 * (and must be whole). References are added. Bundled paths of the overlay are relative to the overlay.
 */
function mergeOverlay(base: RegistryDocument, overlay: Overlay, overlayFolder: string): unknown {
  const merge = (ours: Record<string, object>, theirs: Overlay['models']): Record<string, object> => {
    const result = { ...ours };
    for (const [key, fields] of Object.entries(theirs ?? {}))
      result[key] = { ...result[key], ...anchorPaths(fields, overlayFolder) };
    return result;
  };
  return {
    version: base.version,
    models: merge(base.models, overlay.models),
    datasets: merge(base.datasets, overlay.datasets),
    caveats: merge(base.caveats, overlay.caveats),
    references: [...base.references, ...(overlay.references ?? [])],
    defaults: { evalModel: merge(base.defaults.evalModel, overlay.defaults?.evalModel) },
  };
}

function anchorPaths(fields: Record<string, unknown>, folder: string): Record<string, unknown> {
  if (!Array.isArray(fields.sources)) return fields;
  const sources = fields.sources.map((source: unknown) => {
    const bundled = bundledSchema.safeParse(source);
    return bundled.success ? { ...bundled.data, path: path.resolve(folder, bundled.data.path) } : source;
  });
  return { ...fields, sources };
}

const bundledSchema = z.looseObject({ kind: z.literal('bundled'), path: z.string() });

type NameIndex = ReadonlyMap<string, readonly string[]>;

function modelIndex(registry: Registry): NameIndex {
  return new Map(Object.entries(registry.models).map(([key, entry]) => [key, modelNames(key, entry)]));
}

function datasetIndex(registry: Registry): NameIndex {
  return new Map(Object.entries(registry.datasets).map(([key, entry]) => [key, datasetNames(key, entry)]));
}

function findKey(index: NameIndex, name: string): string | undefined {
  const wanted = normalizeName(name);
  for (const [key, names] of index) if (names.some((known) => normalizeName(known) === wanted)) return key;
  return undefined;
}

function refuse(kind: 'model' | 'dataset', name: string, index: NameIndex, otherwise: string): never {
  const suggestions = suggestNames(name, index);
  const hint = suggestions.length > 0 ? `did you mean ${suggestions.join(' or ')}?` : otherwise;
  const what = kind === 'model' ? 'a model' : 'a data set';
  throw new NotFoundError(`"${name}" is not ${what} of the registry`, {
    code: `unknown-${kind}`,
    hint,
    facts: { name, suggestions },
  });
}
