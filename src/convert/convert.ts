/**
 * The recipe: a checkpoint folder becomes a model folder. The graph is built op by op, the weights are bound by name,
 * streamed, and written beside it; a folder under the final name is finished and has passed its checks.
 */
import { copyFile, mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { ConfigJson, GraphPlan, ModelPlan } from '../architectures/architecture.ts';
import { detectArchitecture } from '../architectures/index.ts';
import { Tensors } from '../architectures/tensors.ts';
import { type Checkpoint, openCheckpoint } from '../checkpoint/open.ts';
import { type Graph, type GraphOptions, type Value, weightBytes } from '../onnx/graph.ts';
import { WeightFile, type WrittenFile, writeGraph } from '../onnx/writer.ts';
import { type Manifest, type ManifestGraph, type ManifestTokenizer, writeManifest } from '../registry/manifest.ts';
import { elementCountOf, type LazyTensor } from '../tensor/lazy-tensor.ts';
import { IntegrityError, NotFoundError, UsageError } from '../util/errors.ts';
import { pathExists, sha256OfFile, writeFolder } from '../util/files.ts';
import { readJson } from '../util/json.ts';
import { FSB_VERSION } from '../util/version.ts';
import { bindTensors } from './bind.ts';
import { findFloat16Overflow, weightChunks } from './weight-bytes.ts';

/** The types a model can be stored in, with the suffix of its files (the names that transformers.js looks for). */
export const MODEL_DTYPES = {
  fp32: { suffix: '', weights: 'float32' },
  fp16: { suffix: '_fp16', weights: 'float16' },
} as const;

export type ModelDtype = keyof typeof MODEL_DTYPES;

/** Files of a checkpoint folder that belong to the model too. */
const COMPANION_FILES = [
  'config.json',
  'generation_config.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  'spiece.model',
];

/** What the tokenizer side contributes; conversion itself knows no tokenizer. */
export interface TokenizerFiles {
  readonly manifest: ManifestTokenizer | null;
  /** File name → content, e.g. tokenizer.json and tokenizer_config.json. */
  readonly files: Readonly<Record<string, string>>;
}

export interface ConvertOptions {
  /** @default "fp32" */
  readonly dtype?: ModelDtype;
  /** Name in the manifest. @default the checkpoint folder's name */
  readonly name?: string;
  /** 40-hex revision of the checkpoint, when known. */
  readonly revision?: string | undefined;
  /** sha256 by file path (relative to the checkpoint folder) where already known; the others are computed. */
  readonly knownHashes?: Readonly<Record<string, string>>;
  readonly tokenizer?: TokenizerFiles;
  /**
   * Runs on the finished folder before it gets its final name, and may add to the manifest (probes); when it throws,
   * nothing is left.
   */
  readonly check?: (folder: string, manifest: Manifest) => Promise<Manifest>;
  readonly onProgress?: (progress: ConvertProgress) => void;
  readonly signal?: AbortSignal;
}

export interface ConvertProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/**
 * Converts the checkpoint in `source` (folder or weight file) into the model folder `target`, replacing a former one.
 * Memory: about twice the largest matrix, whatever the model's size.
 * @throws IntegrityError for damaged or mismatching checkpoints, UnsupportedError for unknown architectures
 */
export async function convertCheckpoint(
  source: string,
  target: string,
  options: ConvertOptions = {},
): Promise<Manifest> {
  const checkpoint = await openCheckpoint(source);
  try {
    const config = await readConfig(checkpoint);
    const { plan, tensors } = planModel(checkpoint, config);
    return await writeFolder(target, async (folder) => {
      const manifest = await writeModel(folder, plan, tensors, checkpoint, options);
      const checked = options.check ? await options.check(folder, manifest) : manifest;
      await writeManifest(folder, checked);
      return checked;
    });
  } finally {
    await checkpoint.close();
  }
}

/** What a checkpoint would become, without writing: its architecture's plan and the bound tensors. */
export function planModel(
  checkpoint: Checkpoint,
  config: ConfigJson,
): { plan: ModelPlan; tensors: Map<string, LazyTensor> } {
  const shapes = new Map([...checkpoint.tensors].map(([name, tensor]) => [name, tensor.shape]));
  const view = new Tensors(shapes, checkpoint.path);
  const architecture = detectArchitecture(view, shapes.keys());
  const plan = architecture.plan(view, config);
  return { plan, tensors: bindTensors(plan, architecture.buffers, checkpoint.tensors, checkpoint.path) };
}

/** Parses the value of --dtype. */
export function parseModelDtype(value: string): ModelDtype {
  if (Object.hasOwn(MODEL_DTYPES, value)) return value as ModelDtype;
  throw new UsageError(`--dtype ${value}: expected one of ${Object.keys(MODEL_DTYPES).join(', ')}`, {
    code: 'unknown-dtype',
  });
}

// --- internal ---

async function readConfig(checkpoint: Checkpoint): Promise<ConfigJson> {
  const file = path.join(folderOf(checkpoint), 'config.json');
  if (!(await pathExists(file)))
    throw new NotFoundError(`${file} is missing: the number of attention heads and the activation stand only there`, {
      code: 'missing-config',
    });
  const config = await readJson(file);
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new IntegrityError(`${file}: expected a JSON object`, { code: 'malformed-config' });
  return config as ConfigJson;
}

async function writeModel(
  folder: string,
  plan: ModelPlan,
  tensors: ReadonlyMap<string, LazyTensor>,
  checkpoint: Checkpoint,
  options: ConvertOptions,
): Promise<Manifest> {
  const { dtype = 'fp32', tokenizer } = options;
  await mkdir(path.join(folder, 'onnx'));
  const graphs: ManifestGraph[] = [];
  for (const graphPlan of plan.graphs)
    graphs.push(await writeOneGraph(folder, graphPlan, plan, tensors, dtype, options));
  await copyCompanions(folderOf(checkpoint), folder);
  for (const [name, content] of Object.entries(tokenizer?.files ?? {}))
    await writeFile(path.join(folder, name), content);
  return {
    schema: 'fsb.manifest/1',
    name: options.name ?? path.basename(folderOf(checkpoint)),
    architecture: plan.architecture,
    task: plan.task,
    dtype,
    parameters: plan.tensors.reduce((sum, spec) => sum + elementCountOf(spec.shape), 0),
    source: { revision: options.revision ?? null, files: await hashFiles(checkpoint, options.knownHashes ?? {}) },
    config: { ...plan.dimensions },
    graphs,
    tokenizer: tokenizer?.manifest ?? null,
    labels: plan.labels ? [...plan.labels] : null,
    probes: [],
    createdBy: { fsb: FSB_VERSION, node: process.version },
  };
}

async function writeOneGraph(
  folder: string,
  graphPlan: GraphPlan,
  plan: ModelPlan,
  tensors: ReadonlyMap<string, LazyTensor>,
  dtype: ModelDtype,
  { onProgress, signal }: ConvertOptions,
): Promise<ManifestGraph> {
  const { suffix, weights: weightDtype } = MODEL_DTYPES[dtype];
  const file = `onnx/${graphPlan.name}${suffix}.onnx`;
  const graph = await buildGraph(graphPlan, weightDtype, tensors);
  const weights = await WeightFile.create(path.join(folder, `${file}_data`));
  let data: WrittenFile;
  try {
    const totalBytes = [...graph.weights.values()].reduce((sum, weight) => sum + weightBytes(weight), 0);
    let doneBytes = 0;
    for (const weight of graph.weights.values()) {
      signal?.throwIfAborted();
      await weights.append(weight, weightChunks(weight, tensors));
      doneBytes += weightBytes(weight);
      onProgress?.({ doneBytes, totalBytes });
    }
    data = await weights.finish();
  } catch (error) {
    await weights.abandon();
    throw error;
  }
  const written = await writeGraph(graph, path.join(folder, file), weights, FSB_VERSION, {
    architecture: plan.architecture,
  });
  const graphNames = new Map(graphPlan.outputs.map(({ name, graphName }) => [graphName, name]));
  return {
    name: graphPlan.name,
    file,
    sizeBytes: written.sizeBytes,
    sha256: written.sha256,
    dataFile: `${file}_data`,
    dataSizeBytes: data.sizeBytes,
    dataSha256: data.sha256,
    inputs: graph.inputs.map((input) => ({ ...describe(input), optional: graph.constants.has(input.name) })),
    outputs: graph.outputs.map((output) => ({
      ...describe(output),
      name: graphNames.get(output.name) ?? output.name,
      graphName: output.name,
    })),
  };
}

async function buildGraph(
  plan: GraphPlan,
  weightDtype: 'float32' | 'float16',
  tensors: ReadonlyMap<string, LazyTensor>,
): Promise<Graph> {
  const options: GraphOptions = { weightDtype };
  const graph = plan.build(options);
  if (weightDtype === 'float32') return graph;
  const keepFloat32 = await findFloat16Overflow(graph.weights.values(), tensors);
  return keepFloat32.size ? plan.build({ ...options, keepFloat32 }) : graph;
}

const describe = ({ name, dtype, shape }: Value): { name: string; dtype: string; shape: (string | number)[] } => ({
  name,
  dtype,
  shape: [...shape],
});

async function copyCompanions(from: string, to: string): Promise<void> {
  for (const name of COMPANION_FILES)
    if (await pathExists(path.join(from, name))) await copyFile(path.join(from, name), path.join(to, name));
}

async function hashFiles(
  checkpoint: Checkpoint,
  known: Readonly<Record<string, string>>,
): Promise<Manifest['source']['files']> {
  const folder = folderOf(checkpoint);
  const files: Manifest['source']['files'] = [];
  for (const file of checkpoint.files) {
    const relative = path.relative(folder, file).split(path.sep).join('/');
    const { size } = await stat(file);
    files.push({ path: relative, sizeBytes: size, sha256: known[relative] ?? (await sha256OfFile(file)) });
  }
  return files;
}

/** The checkpoint's folder: what was opened, or where the opened file lies. */
function folderOf(checkpoint: Checkpoint): string {
  return checkpoint.files.includes(checkpoint.path) ? path.dirname(checkpoint.path) : checkpoint.path;
}
