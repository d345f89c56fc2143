/** Which files make a checkpoint: by name, as data. */
import { IntegrityError, NotFoundError } from '../util/errors.ts';
import { isSystemLitter } from '../util/relative-path.ts';
import { matchesAny } from './glob.ts';

export interface Selection {
  /** Globs; when given, they replace the rule of what a checkpoint needs. */
  readonly include?: readonly string[] | undefined;
  /** Globs, taken away from the rest. */
  readonly exclude?: readonly string[] | undefined;
}

const CONFIG_FILES = ['config.json', 'generation_config.json'];
const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  'spiece.model',
  'sentencepiece.bpe.model',
  'tokenizer.model',
];
/** Formats of weights in order of preference: the first that a repository has is taken, the others are copies of it. */
const WEIGHTS: readonly RegExp[] = [
  /^model(-\d+-of-\d+)?\.safetensors(\.index\.json)?$/,
  /^pytorch_model(-\d+-of-\d+)?\.bin(\.index\.json)?$/,
  /^(mp_rank_\d+(_\d+)?\/)?model_optim_rng\.pt$/, // raw Megatron-LM
  /^[^/]+\.safetensors$/,
  /^(?!(optimizer|scheduler|training_args|rng_state)[^/]*$)[^/]+\.(bin|pt|pth|ckpt)$/,
];
/** What tools leave in a checkpoint's folder and nobody means to import. */
const LITTER =
  /(^|\/)(\.git|\.cache|\.huggingface|__pycache__)\/|(^|\/)\.fsb-checkpoint\.json$|\.(incomplete|partial)$/;

/** True for files that are no part of what a person keeps in a folder or archive. */
export function isLitter(path: string): boolean {
  return LITTER.test(path) || isSystemLitter(path);
}

/** True for a file of weights, of whatever format. */
export function isWeights(path: string): boolean {
  return !path.endsWith('.index.json') && WEIGHTS.some((pattern) => pattern.test(path));
}

/**
 * The files to fetch: what `include` matches, or config, tokenizer and weights in one format; less `exclude`.
 * Throws NotFoundError that lists what is there when nothing matches or, without `include`, when there are no weights.
 */
export function selectFiles<F extends { readonly path: string }>(
  files: readonly F[],
  selection: Selection,
  where: string,
): F[] {
  const { include = [], exclude = [] } = selection;
  const wanted = include.length ? files.filter((file) => matchesAny(file.path, include)) : checkpointFiles(files);
  if (include.length === 0 && !wanted.some((file) => isWeights(file.path)))
    throw new NotFoundError(
      `${where}: expected weights (model.safetensors, pytorch_model.bin), found ${listPaths(files)}`,
      {
        code: 'no-weights',
        hint: 'a repository of other formats only cannot be converted; name files with --include to fetch them anyway',
      },
    );
  const selected = wanted.filter((file) => !matchesAny(file.path, exclude));
  if (selected.length === 0)
    throw new NotFoundError(`${where}: no file is left by --include and --exclude; there are ${listPaths(files)}`, {
      code: 'no-files-match',
    });
  return selected;
}

/**
 * The folder inside an archive or folder that is the checkpoint, "" for the top: the one with config.json, else the one
 * with weights. Archives of the time have one folder on top, at times another in it.
 * Throws IntegrityError: "no-checkpoint" saying what was found, "several-checkpoints" naming them.
 */
export function checkpointRoot(paths: readonly string[], where: string): string {
  const withConfig = paths.filter((path) => baseOf(path) === 'config.json').map(folderOf);
  const roots = outermost(withConfig.length ? withConfig : paths.flatMap(weightsFolder));
  const [root] = roots;
  if (root === undefined) {
    const isPyTorchFile = paths.some((path) => path.endsWith('data.pkl'));
    throw new IntegrityError(
      `${where}: expected config.json or a file of weights, found ${listPaths(paths.map((path) => ({ path })))}`,
      {
        code: 'no-checkpoint',
        hint: isPyTorchFile
          ? 'this is a PyTorch file itself: put it beside its config.json and vocabulary, and import that folder'
          : 'give the zip or folder that holds config.json, pytorch_model.bin and the vocabulary',
        facts: { paths: paths.slice(0, 100) },
      },
    );
  }
  if (roots.length > 1)
    throw new IntegrityError(
      `${where}: expected one checkpoint, found ${roots.length}, in ${roots.slice(0, 8).join(', ')}`,
      {
        code: 'several-checkpoints',
        hint: 'unpack it and import one of these folders',
        facts: { roots },
      },
    );
  return root;
}

/** "a, b, c, …" for messages. */
export function listPaths(files: readonly { readonly path: string }[]): string {
  if (files.length === 0) return 'nothing';
  const shown = files.slice(0, 12).map((file) => file.path);
  return `${shown.join(', ')}${files.length > shown.length ? ` and ${files.length - shown.length} more` : ''}`;
}

// --- internal ---

function checkpointFiles<F extends { readonly path: string }>(files: readonly F[]): F[] {
  const format = WEIGHTS.find((pattern) => files.some((file) => isWeights(file.path) && pattern.test(file.path)));
  const named = new Set([...CONFIG_FILES, ...TOKENIZER_FILES]);
  return files.filter((file) => named.has(file.path) || format?.test(file.path));
}

/** Where weights at this path would make a checkpoint: their folder, or the one above Megatron's mp_rank_00. */
function weightsFolder(path: string): string[] {
  const folder = folderOf(path);
  if (!isWeights(baseOf(path))) return [];
  return [/^mp_rank_\d+(_\d+)?$/.test(baseOf(folder)) ? folderOf(folder) : folder];
}

function outermost(folders: readonly string[]): string[] {
  const unique = [...new Set(folders)];
  return unique.filter(
    (folder) => !unique.some((other) => other !== folder && (other === '' || folder.startsWith(`${other}/`))),
  );
}

const baseOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));
