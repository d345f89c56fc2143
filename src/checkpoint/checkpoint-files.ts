/** Which files of a folder are the checkpoint. Names find them; what they are is told by their bytes (open.ts). */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { NotFoundError, UnsupportedError } from '../util/errors.ts';
import { isDirectory, pathExists } from '../util/files.ts';
import { FileSource, readBytes } from './file-source.ts';
import { corruptArchive } from './refusals.ts';

/** What transformers writes, in the order in which it looks for them. */
const WEIGHT_FILES = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
] as const;
const RANK_FILES = ['model_optim_rng.pt', 'model_rng.pt'] as const;
const RANK_FOLDER = /^mp_rank_(\d{2,4})$/;
const PIPELINE_FOLDER = /^mp_rank_\d{2,4}_\d{3,4}$/;
const LATEST = 'latest_checkpointed_iteration.txt';
/** Megatron-LM was never run with more ranks than this on one model of ours (Wenzhong: 4). */
const MAX_RANKS = 1024;

export type CheckpointFiles =
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'ranks'; readonly folder: string; readonly files: readonly string[] };

/** Finds the checkpoint of a folder. Throws NotFoundError (no-checkpoint) that says what was looked for. */
export async function findCheckpointFiles(folder: string): Promise<CheckpointFiles> {
  for (const name of WEIGHT_FILES) {
    const file = path.join(folder, name);
    if (await pathExists(file)) return { kind: 'file', file };
  }
  const ranks = await findRanks(folder);
  if (ranks) return ranks;
  throw new NotFoundError(
    `${folder}: no checkpoint; looked for ${WEIGHT_FILES.join(', ')}, mp_rank_00/${RANK_FILES[0]} and ${LATEST}`,
    { code: 'no-checkpoint', hint: 'name the file itself when it has another name' },
  );
}

/** The rank files of a raw Megatron-LM folder, of its latest iteration, or of its release; undefined when it is none. */
export async function findRanks(folder: string): Promise<Extract<CheckpointFiles, { kind: 'ranks' }> | undefined> {
  const here = await ranksIn(folder);
  if (here) return here;
  const iteration = await latestIteration(folder);
  if (iteration === undefined) return ranksIn(path.join(folder, 'release'));
  const inner = await ranksIn(path.join(folder, iteration));
  if (!inner)
    throw corruptArchive(path.join(folder, LATEST), `names ${iteration}, but ${iteration}/mp_rank_00 is not there`);
  return inner;
}

// --- internal ---

async function ranksIn(folder: string): Promise<Extract<CheckpointFiles, { kind: 'ranks' }> | undefined> {
  if (!(await isDirectory(folder))) return undefined;
  const names = (await readdir(folder)).sort();
  const staged = names.find((name) => PIPELINE_FOLDER.test(name));
  if (staged !== undefined)
    throw new UnsupportedError(`${folder}: cut into pipeline stages (${staged}), which is not supported`, {
      code: 'unsupported-checkpoint',
      hint: "merge the stages with Megatron-LM's own tools first",
    });
  const ranks = names.filter((name) => RANK_FOLDER.test(name));
  if (ranks.length === 0) return undefined;
  if (ranks.length > MAX_RANKS) throw corruptArchive(folder, `${ranks.length} ranks; at most ${MAX_RANKS} are read`);
  const missing = ranks.findIndex((name, rank) => Number(RANK_FOLDER.exec(name)![1]) !== rank);
  if (missing >= 0)
    throw corruptArchive(folder, `mp_rank_${String(missing).padStart(2, '0')} is missing among ${ranks.join(', ')}`);
  const files = await Promise.all(ranks.map((name) => rankFile(path.join(folder, name))));
  return { kind: 'ranks', folder, files };
}

async function rankFile(folder: string): Promise<string> {
  for (const name of RANK_FILES) {
    const file = path.join(folder, name);
    if (await pathExists(file)) return file;
  }
  throw corruptArchive(folder, `${RANK_FILES[0]} is missing`);
}

/** "release", or "iter_0001000" for "1000", as Megatron-LM names its folders. */
async function latestIteration(folder: string): Promise<string | undefined> {
  const file = path.join(folder, LATEST);
  if (!(await pathExists(file))) return undefined;
  const text = await firstWord(file);
  if (text === 'release') return text;
  if (!/^\d{1,9}$/.test(text))
    throw corruptArchive(file, `expected an iteration or "release", found ${JSON.stringify(text.slice(0, 80))}`);
  return `iter_${text.padStart(7, '0')}`;
}

/** The first bytes of a file as text; more than a number or "release" is not expected. */
async function firstWord(file: string): Promise<string> {
  const source = await FileSource.open(file);
  try {
    return Buffer.from(await readBytes(source, 0, Math.min(64, source.sizeBytes)))
      .toString('utf8')
      .trim();
  } finally {
    await source.close();
  }
}
