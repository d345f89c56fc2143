/**
 * Raw Megatron-LM checkpoints: `mp_rank_XX/model_optim_rng.pt`, one file per tensor-parallel rank. Their tensors are put
 * together, their fused query/key/value rows taken apart, and named as the transformers class of the architecture names
 * them, all without reading them. Follows transformers' convert_megatron_bert_checkpoint.py and
 * convert_megatron_gpt2_checkpoint.py, and Megatron-LM's tools/merge_mp_partitions.py for the cuts.
 */
import type { LazyTensor } from '../tensor/lazy-tensor.ts';
import { concatenated, renamed, rowsOf, transposed } from '../tensor/views.ts';
import { IntegrityError, UnsupportedError } from '../util/errors.ts';
import { OpaqueObject, type PickleValue } from './pickle-values.ts';
import { argumentsOf } from './plain-data.ts';
import { badTensor, corruptArchive } from './refusals.ts';
import { flatTensors, scalarsIn } from './state-dict.ts';
import type { TorchFile } from './torch-file.ts';

/** Versions of the row order; later ones belong to other formats of Megatron. */
const MAX_VERSION = 3;

export interface MegatronCheckpoint {
  readonly tensors: ReadonlyMap<string, LazyTensor>;
  readonly originalNames: ReadonlyMap<string, string>;
  readonly args: Readonly<Record<string, unknown>> | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/** True for the root of a raw Megatron-LM file: model.language_model is a dictionary. */
export function isMegatron(root: PickleValue): boolean {
  const model = root instanceof Map ? root.get('model') : undefined;
  return model instanceof Map && model.get('language_model') instanceof Map;
}

/**
 * Puts the ranks together. `path` is for messages and storage keys; `files` are in the order of the ranks; `configHeads` is
 * what config.json tells of the attention heads, for checkpoints without args.
 * Throws IntegrityError for ranks that do not fit together, UnsupportedError for pipeline parallelism and for Megatron T5.
 */
export function mergeRanks(
  path: string,
  files: readonly TorchFile[],
  configHeads: number | undefined,
): MegatronCheckpoint {
  const roots = files.map((file) => rootOf(file));
  const namespace = roots[0]!.get('args');
  const isSettings = namespace instanceof OpaqueObject || namespace instanceof Map;
  const args = isSettings ? argumentsOf(namespace, files[0]!.path) : undefined;
  requireRanks(path, files.length, args);
  const version = versionOf(path, roots);
  const parts = files.map((file, rank) => flatTensors(file, roots[rank]!.get('model')!));
  const names = namesOf(path, files, parts);
  const architecture = architectureOf(path, names);
  const heads = countIn(args, 'num_attention_heads') ?? configHeads;
  const context = { path, version, heads, ...ARCHITECTURES[architecture] };
  const tensors = new Map<string, LazyTensor>();
  const originalNames = new Map<string, string>();
  for (const wild of names) {
    const ranks = parts.map((part) => part.get(wild)!);
    for (const tensor of convert(context, wild, ranks)) {
      if (tensors.has(tensor.name))
        throw corruptArchive(path, `two tensors stand for "${tensor.name}", one is "${wild}"`);
      tensors.set(tensor.name, tensor);
      originalNames.set(tensor.name, wild);
    }
  }
  return { tensors, originalNames, args, metadata: scalarsIn(roots[0]!) };
}

// --- internal ---

interface Architecture {
  /** Megatron's name, less `language_model.` and the body's name → the canonical name. */
  readonly names: readonly (readonly [pattern: RegExp, canonical: string])[];
  /** Linear weights are [out, in] in Megatron; GPT-2's Conv1D has [in, out]. */
  readonly transposesLinear: boolean;
  /** Names of the parts of the fused query_key_value map: three parameters, or one that has them in this order. */
  readonly attention: readonly [string, string, string] | string;
}

interface Context extends Architecture {
  readonly path: string;
  readonly version: number;
  readonly heads: number | undefined;
}

const LAYER = String.raw`^layers\.(\d+)\.`;
const layer = (operation: string): RegExp => new RegExp(`${LAYER}${operation}\\.`);

const ARCHITECTURES: Record<'megatron-bert' | 'gpt2', Architecture> = {
  'megatron-bert': {
    names: [
      [/^embedding\.word_embeddings\./, 'embeddings.word_embeddings.'],
      [/^embedding\.position_embeddings\./, 'embeddings.position_embeddings.'],
      [/^embedding\.tokentype_embeddings\./, 'embeddings.token_type_embeddings.'],
      [layer('input_layernorm'), 'encoder.layer.$1.attention.ln.'],
      [layer('attention\\.dense'), 'encoder.layer.$1.attention.output.dense.'],
      [layer('post_attention_layernorm'), 'encoder.layer.$1.ln.'],
      [layer('mlp\\.dense_h_to_4h'), 'encoder.layer.$1.intermediate.dense.'],
      [layer('mlp\\.dense_4h_to_h'), 'encoder.layer.$1.output.dense.'],
      [/^final_layernorm\./, 'encoder.ln.'],
      [/^lm_head\.dense\./, 'cls.predictions.transform.dense.'],
      [/^lm_head\.layernorm\./, 'cls.predictions.transform.LayerNorm.'],
      [/^lm_head\.bias$/, 'cls.predictions.bias'],
      [/^binary_head\./, 'cls.seq_relationship.'],
    ],
    transposesLinear: false,
    attention: [
      'encoder.layer.$1.attention.self.query.',
      'encoder.layer.$1.attention.self.key.',
      'encoder.layer.$1.attention.self.value.',
    ],
  },
  gpt2: {
    names: [
      [/^embedding\.word_embeddings\./, 'wte.'],
      [/^embedding\.position_embeddings\./, 'wpe.'],
      [layer('input_layernorm'), 'h.$1.ln_1.'],
      [layer('attention\\.dense'), 'h.$1.attn.c_proj.'],
      [layer('post_attention_layernorm'), 'h.$1.ln_2.'],
      [layer('mlp\\.dense_h_to_4h'), 'h.$1.mlp.c_fc.'],
      [layer('mlp\\.dense_4h_to_h'), 'h.$1.mlp.c_proj.'],
      [/^final_layernorm\./, 'ln_f.'],
      [/^output_layer\./, 'lm_head.'],
    ],
    transposesLinear: true,
    attention: 'h.$1.attn.c_attn.',
  },
};

const QUERY_KEY_VALUE = layer('attention\\.query_key_value');
/** What tensor parallelism cuts: maps to more columns and the vocabulary along dimension 0, maps back along dimension 1. */
const CUT_ALONG_0 =
  /query_key_value\.|dense_h_to_4h\.|^(?:embedding\.word_embeddings|output_layer)\.weight$|^lm_head\.bias$/;
const CUT_ALONG_1 = /(?:attention\.dense|dense_4h_to_h)\.weight$/;
const LINEAR_WEIGHT = /^layers\.\d+\.(?:attention|mlp)\..*\.weight$/;

/** The canonical tensors of one of Megatron's: one, or three for query, key and value. */
function convert(context: Context, wild: string, ranks: readonly LazyTensor[]): LazyTensor[] {
  const name = shortName(wild);
  const turn = context.transposesLinear && LINEAR_WEIGHT.test(name) ? transposed : (tensor: LazyTensor) => tensor;
  const join = (target: string, parts: readonly LazyTensor[], dimension: 0 | 1 = 0): LazyTensor =>
    turn(concatenated(target, `${context.path}:${target}`, parts, dimension));
  if (QUERY_KEY_VALUE.test(name)) {
    const thirds = [0, 1, 2].map((which) =>
      ranks.flatMap((part) => attentionRows(context, wild, part, ranks.length, which)),
    );
    if (typeof context.attention === 'string')
      return [join(name.replace(QUERY_KEY_VALUE, context.attention), thirds.flat())];
    return context.attention.map((target, which) => join(name.replace(QUERY_KEY_VALUE, target), thirds[which]!));
  }
  const target = canonicalOf(context, name);
  if (CUT_ALONG_0.test(name)) return [join(target, ranks)];
  if (CUT_ALONG_1.test(name)) return [join(target, ranks, 1)];
  for (const part of ranks) requireCopy(context.path, wild, ranks[0]!, part);
  return [turn(renamed(ranks[0]!, target))];
}

/**
 * The rows of query (0), key (1) or value (2) in one rank's fused map, as views. Rows lie as (3, heads, d) in version 0,
 * (heads, d, 3) in version 1 and (heads, 3, d) from version 2 on.
 */
function attentionRows(context: Context, wild: string, part: LazyTensor, ranks: number, which: number): LazyTensor[] {
  const { path, version, heads } = context;
  const rows = (part.shape[0] ?? 0) / 3;
  if (!Number.isInteger(rows)) throw badTensor(path, wild, `${part.shape[0]} rows cannot be query, key and value`);
  if (version < 1) return [rowsOf(part, which * rows, rows)];
  if (version < 2) return [rowsOf(part, which, rows, 3)];
  if (heads === undefined)
    throw new IntegrityError(
      `${path}: checkpoint_version ${version} orders attention rows by heads, and neither args nor config.json tell how many`,
      { code: 'missing-config', hint: 'put a config.json with num_attention_heads (or n_head) beside the checkpoint' },
    );
  const headCount = heads / ranks;
  const headSize = rows / headCount;
  if (!Number.isInteger(headCount) || !Number.isInteger(headSize))
    throw badTensor(path, wild, `${rows} rows in each of ${ranks} ranks cannot be cut into ${heads} heads`);
  return Array.from({ length: headCount }, (_, head) => rowsOf(part, (head * 3 + which) * headSize, headSize));
}

function shortName(wild: string): string {
  return wild
    .replace(/^language_model\./, '')
    .replace(/^(?:transformer|encoder)\./, '')
    .replace('.self_attention.', '.attention.');
}

/** A name that is in no table stays, so that whoever binds the tensors can report it. */
function canonicalOf({ names }: Context, name: string): string {
  const entry = names.find(([pattern]) => pattern.test(name));
  return entry ? name.replace(entry[0], entry[1]) : name;
}

function architectureOf(path: string, names: readonly string[]): keyof typeof ARCHITECTURES {
  if (names.some((name) => name.startsWith('language_model.decoder.')))
    throw new UnsupportedError(`${path}: raw Megatron-LM with a decoder (T5) is not supported`, {
      code: 'unsupported-checkpoint',
      hint: 'use the published checkpoint in transformers format',
    });
  const isBert = names.some((name) =>
    /tokentype_embeddings|^language_model\.pooler\.|^lm_head\.|^binary_head\./.test(name),
  );
  return isBert ? 'megatron-bert' : 'gpt2';
}

function rootOf(file: TorchFile): Map<PickleValue, PickleValue> {
  if (!isMegatron(file.root) || !(file.root instanceof Map))
    throw corruptArchive(file.path, 'expected model.language_model as Megatron-LM writes it');
  return file.root;
}

function requireRanks(path: string, found: number, args: Readonly<Record<string, unknown>> | undefined): void {
  const stages = countIn(args, 'pipeline_model_parallel_size') ?? 1;
  if (stages > 1)
    throw new UnsupportedError(`${path}: cut into ${stages} pipeline stages, which is not supported`, {
      code: 'unsupported-checkpoint',
      hint: "merge the stages with Megatron-LM's own tools first",
    });
  const told = countIn(args, 'tensor_model_parallel_size') ?? countIn(args, 'model_parallel_size') ?? found;
  if (told !== found)
    throw corruptArchive(
      path,
      `args tell ${told} tensor-parallel ranks (mp_rank_00 to mp_rank_${rankName(told - 1)}), found ${found}`,
    );
}

function versionOf(path: string, roots: readonly ReadonlyMap<PickleValue, PickleValue>[]): number {
  const versions = new Set(roots.map((root) => root.get('checkpoint_version') ?? 0));
  const [version] = versions;
  if (versions.size > 1)
    throw corruptArchive(path, `the ranks differ in checkpoint_version: ${[...versions].join(', ')}`);
  if (typeof version !== 'number' || !(version >= 0 && version < MAX_VERSION + 1))
    throw new UnsupportedError(`${path}: checkpoint_version ${String(version)}; 0 to ${MAX_VERSION} are known`, {
      code: 'unsupported-checkpoint',
    });
  return version;
}

/** The names of the tensors, which all ranks share. */
function namesOf(
  path: string,
  files: readonly TorchFile[],
  parts: readonly ReadonlyMap<string, LazyTensor>[],
): readonly string[] {
  const all = [...new Set(parts.flatMap((part) => [...part.keys()]))];
  for (const [rank, part] of parts.entries()) {
    const missing = all.filter((name) => !part.has(name));
    if (missing.length > 0)
      throw corruptArchive(
        path,
        `${files[rank]!.path} lacks ${missing.length} tensors that other ranks have: ${missing.slice(0, 5).join(', ')}`,
      );
  }
  return all;
}

/** A tensor that is not cut is the same in all ranks; its shape at least must be. */
function requireCopy(path: string, wild: string, first: LazyTensor, part: LazyTensor): void {
  if (part.shape.join() !== first.shape.join() || part.dtype !== first.dtype)
    throw badTensor(
      path,
      wild,
      `ranks should hold copies, found ${first.dtype} [${first.shape.join(', ')}] and ${part.dtype} [${part.shape.join(', ')}]`,
    );
}

function countIn(args: Readonly<Record<string, unknown>> | undefined, name: string): number | undefined {
  const value = args?.[name];
  return Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : undefined;
}

function rankName(rank: number): string {
  return String(rank).padStart(2, '0');
}
