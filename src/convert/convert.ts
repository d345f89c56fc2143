/**
 * The recipe: a checkpoint folder becomes a model folder. The graph is built op by op, the weights are bound by name,
 * streamed, and written beside it; a folder under the final name is finished and has passed its checks.
 */
import { copyFile, mkdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type ConfigJson, type ModelPlan, parametersOf } from '../architectures/architecture.ts';
import { detectArchitecture } from '../architectures/index.ts';
import { Tensors } from '../architectures/tensors.ts';
import { type Checkpoint, openCheckpoint } from '../checkpoint/open.ts';
import { type Manifest, type ManifestPrecision, type ManifestTokenizer, writeManifest } from '../registry/manifest.ts';
import type { LazyTensor } from '../tensor/lazy-tensor.ts';
import { IntegrityError, NotFoundError } from '../util/errors.ts';
import { pathExists, sha256OfFile, writeFolder } from '../util/files.ts';
import { readJson } from '../util/json.ts';
import { FSB_VERSION } from '../util/version.ts';
import { bindTensors, findUntiedAliases } from './bind.ts';
import { configFileOf } from './config-file.ts';
import { describeQuantisation, type Formats, type WritableDtype } from './dtypes.ts';
import { expectProbes, type ProbeText } from './expect-probes.ts';
import { configFromMegatron } from './megatron-config.ts';
import { type ConvertProgress, writeGraphs } from './write-graphs.ts';

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
  /** What the model is probed with. @default ids that every vocabulary has */
  readonly probe?: ProbeText | undefined;
}

export interface ConvertOptions {
  /** @default "fp32" */
  readonly dtype?: WritableDtype;
  /** Formats that stand instead of those of the dtype, e.g. to measure them. @default those of the dtype */
  readonly formats?: Formats | undefined;
  /** How those came about, for the manifest. */
  readonly precision?: ManifestPrecision | undefined;
  /** Name in the manifest. @default the checkpoint folder's name */
  readonly name?: string;
  /** 40-hex revision of the checkpoint, when known. */
  readonly revision?: string | undefined;
  /** sha256 by file path (relative to the checkpoint folder) where already known; the others are computed. */
  readonly knownHashes?: Readonly<Record<string, string>>;
  /** Makes the tokenizer's part once the model is understood. @default the files are copied, nothing more */
  readonly tokenizer?: (plan: ModelPlan) => Promise<TokenizerFiles>;
  /**
   * Runs on the finished folder before it gets its final name, e.g. its probes; when it throws, nothing is left.
   */
  readonly check?: (folder: string, manifest: Manifest) => Promise<void>;
  readonly onProgress?: (progress: ConvertProgress) => void;
  readonly onWarning?: (message: string) => void;
  readonly signal?: AbortSignal;
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
    for (const warning of await findUntiedAliases(plan, checkpoint.tensors)) options.onWarning?.(warning);
    return await writeFolder(target, async (folder) => {
      const manifest = await writeModel(folder, { plan, tensors, config }, checkpoint, options);
      await writeManifest(folder, manifest);
      await options.check?.(folder, manifest);
      return manifest;
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

/** config.json beside the checkpoint, or what a Megatron checkpoint says of itself. */
export async function readConfig(checkpoint: Checkpoint): Promise<ConfigJson> {
  const file = path.join(folderOf(checkpoint), 'config.json');
  if (!(await pathExists(file))) {
    if (checkpoint.args) return configFromMegatron(checkpoint.args, checkpoint.path);
    throw new NotFoundError(`${file} is missing: the number of attention heads and the activation stand only there`, {
      code: 'missing-config',
    });
  }
  const config = await readJson(file);
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new IntegrityError(`${file}: expected a JSON object`, { code: 'malformed-config' });
  return config as ConfigJson;
}

// --- internal ---

async function writeModel(
  folder: string,
  { plan, tensors, config }: { plan: ModelPlan; tensors: ReadonlyMap<string, LazyTensor>; config: ConfigJson },
  checkpoint: Checkpoint,
  options: ConvertOptions,
): Promise<Manifest> {
  const { dtype = 'fp32' } = options;
  const tokenizer = await options.tokenizer?.(plan);
  await mkdir(path.join(folder, 'onnx'));
  const { graphs, weights } = await writeGraphs(folder, plan, tensors, { ...options, dtype });
  await copyCompanions(folderOf(checkpoint), folder);
  await writeConfig(folder, plan, config);
  for (const [name, content] of Object.entries(tokenizer?.files ?? {}))
    await writeFile(path.join(folder, name), content);
  return {
    schema: 'fsb.manifest/1',
    name: options.name ?? path.basename(folderOf(checkpoint)),
    architecture: plan.architecture,
    task: plan.task,
    dtype,
    parameters: parametersOf(plan),
    source: { revision: options.revision ?? null, files: await hashFiles(checkpoint, options.knownHashes ?? {}) },
    config: { ...plan.dimensions },
    graphs,
    weights,
    tokenizer: tokenizer?.manifest ?? null,
    labels: plan.labels ? [...plan.labels] : null,
    quantisation: describeQuantisation(dtype, plan.workload, options.formats),
    ...(options.precision && { precision: options.precision }),
    probes: await expectProbes(plan, tensors, dtype, tokenizer?.probe),
    createdBy: { fsb: FSB_VERSION, node: process.version },
  };
}

async function copyCompanions(from: string, to: string): Promise<void> {
  for (const name of COMPANION_FILES)
    if (await pathExists(path.join(from, name))) await copyFile(path.join(from, name), path.join(to, name));
}

/** Where the checkpoint brought none. */
async function writeConfig(folder: string, plan: ModelPlan, config: ConfigJson): Promise<void> {
  const file = path.join(folder, 'config.json');
  if (await pathExists(file)) return;
  const content = configFileOf(plan, config);
  if (content) await writeFile(file, `${JSON.stringify(content, null, 2)}\n`);
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
