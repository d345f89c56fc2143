/** Opens a checkpoint in whatever form it was published: tensors by canonical name, read when asked. */
import path from 'node:path';
import { z } from 'zod';
import type { LazyTensor } from '../tensor/lazy-tensor.ts';
import { IntegrityError } from '../util/errors.ts';
import { isDirectory, pathExists } from '../util/files.ts';
import { parseWith, readJson } from '../util/json.ts';
import { type NamedTensors, withCanonicalNames } from './canonical-names.ts';
import { findCheckpointFiles, findRanks } from './checkpoint-files.ts';
import { FileSource, readBytes } from './file-source.ts';
import { isMegatron, mergeRanks } from './megatron.ts';
import { readSafetensors } from './safetensors.ts';
import { joinShards, readShardedIndex } from './sharded-index.ts';
import { stateDictOf } from './state-dict.ts';
import type { TorchFile } from './torch-file.ts';
import { readTorchLegacy } from './torch-legacy.ts';
import { readTorchZip } from './torch-zip.ts';

export type CheckpointFormat = 'torch-zip' | 'torch-legacy' | 'safetensors' | 'megatron';

export interface Checkpoint {
  /** What was opened: a folder or a file. */
  readonly path: string;
  /** Of the single file, or of the shards. */
  readonly format: CheckpointFormat;
  /** Every file that was read, an index before its shards. */
  readonly files: readonly string[];
  /** By canonical name (canonical-names.ts); aliases share a storage key. */
  readonly tensors: ReadonlyMap<string, LazyTensor>;
  /** Canonical name → name in the file. */
  readonly originalNames: ReadonlyMap<string, string>;
  /** The trainer's arguments in a raw Megatron-LM checkpoint, as plain data. */
  readonly args?: Readonly<Record<string, unknown>>;
  /** Text beside the tensors: safetensors' `__metadata__`, a trainer's epoch, Megatron's checkpoint_version. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Closes the files; tensors cannot be read afterwards. */
  close(): Promise<void>;
}

/**
 * Opens a checkpoint folder or file. Formats are told by bytes, not by names. Every tensor's shape, strides and size are
 * checked against the file here; its numbers are read later. Close it when done.
 *
 * Throws NotFoundError (no such file, no checkpoint in the folder), UnsupportedError, and IntegrityError with one of the
 * codes unknown-format, corrupt-archive, unsafe-path, unsafe-pickle, malformed-pickle, bad-tensor, missing-tensor,
 * name-collision, missing-config.
 */
export async function openCheckpoint(target: string): Promise<Checkpoint> {
  const opened = new OpenFiles();
  try {
    const found = (await isDirectory(target)) ? await findCheckpointFiles(target) : await filesFor(target);
    const content =
      found.kind === 'ranks'
        ? await readRanks(opened, target, found.folder, found.files)
        : await readFileOrIndex(opened, found.file);
    return { path: target, ...content, files: opened.names, close: () => opened.close() };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

// --- internal ---

type Content = NamedTensors & Pick<Checkpoint, 'format' | 'metadata' | 'args'>;

interface Unnamed {
  readonly format: CheckpointFormat;
  readonly tensors: ReadonlyMap<string, LazyTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

const headsSchema = z.object({
  num_attention_heads: z.number().int().positive().optional(),
  n_head: z.number().int().positive().optional(),
});

type FileKind = 'zip' | 'stream' | 'safetensors' | 'json';

/** The files of one checkpoint, closed together. */
class OpenFiles {
  readonly names: string[] = [];
  readonly #sources: FileSource[] = [];

  async open(file: string): Promise<FileSource> {
    const source = await FileSource.open(file);
    this.#sources.push(source);
    this.names.push(file);
    return source;
  }

  async close(): Promise<void> {
    await Promise.all(this.#sources.splice(0).map((source) => source.close()));
  }
}

/** A rank's file stands for all the ranks beside it. */
async function filesFor(file: string): Promise<Awaited<ReturnType<typeof findCheckpointFiles>>> {
  const folder = path.dirname(path.resolve(file));
  const ranks = /^mp_rank_\d+$/.test(path.basename(folder)) ? await findRanks(path.dirname(folder)) : undefined;
  return ranks ?? { kind: 'file', file };
}

async function readFileOrIndex(opened: OpenFiles, file: string): Promise<Content> {
  const source = await opened.open(file);
  const kind = await kindOf(source);
  if (kind === 'json') return nameAll(file, await readShards(opened, file));
  if (kind === 'safetensors') return nameAll(file, { format: kind, ...(await readSafetensors(source)) });
  const torch = await readTorch(source, kind);
  if (isMegatron(torch.root)) return mergeAll(path.dirname(file), [torch], [path.dirname(file)]);
  return nameAll(file, { format: torch.format, ...stateDictOf(torch) });
}

async function readShards(opened: OpenFiles, indexFile: string): Promise<Unnamed> {
  const index = await readShardedIndex(indexFile);
  const contents = new Map<string, ReadonlyMap<string, LazyTensor>>();
  let format: CheckpointFormat | undefined;
  let metadata = {};
  for (const shard of index.shards) {
    const source = await opened.open(path.join(path.dirname(indexFile), shard));
    const kind = await kindOf(source);
    if (kind === 'json')
      throw new IntegrityError(`${source.name}: a shard must hold tensors, found JSON`, { code: 'unknown-format' });
    const content = kind === 'safetensors' ? await readSafetensors(source) : undefined;
    const torch = kind === 'safetensors' ? undefined : await readTorch(source, kind);
    const part = content ?? stateDictOf(torch!);
    contents.set(shard, part.tensors);
    format ??= torch?.format ?? 'safetensors';
    metadata = { ...part.metadata, ...metadata };
  }
  return { format: format!, tensors: joinShards(index, contents), metadata };
}

async function readRanks(
  opened: OpenFiles,
  target: string,
  folder: string,
  files: readonly string[],
): Promise<Content> {
  const ranks: TorchFile[] = [];
  for (const file of files) {
    const source = await opened.open(file);
    const kind = await kindOf(source);
    if (kind !== 'zip' && kind !== 'stream')
      throw new IntegrityError(`${file}: expected a torch.save file, found ${kind}`, { code: 'unknown-format' });
    ranks.push(await readTorch(source, kind));
  }
  return mergeAll(folder, ranks, [target, folder]);
}

/** `configFolders` are where config.json may tell what args do not: beside the ranks, or beside the iteration's folder. */
async function mergeAll(folder: string, ranks: readonly TorchFile[], configFolders: string[]): Promise<Content> {
  const { args, ...merged } = mergeRanks(folder, ranks, await headsInConfig(configFolders));
  return { format: 'megatron', ...merged, ...(args && { args }) };
}

async function nameAll(file: string, { tensors, ...rest }: Unnamed): Promise<Content> {
  return { ...rest, ...(await withCanonicalNames(file, tensors)) };
}

function readTorch(source: FileSource, kind: 'zip' | 'stream'): Promise<TorchFile> {
  return kind === 'zip' ? readTorchZip(source) : readTorchLegacy(source);
}

/** What the first bytes say. Throws IntegrityError (unknown-format) that says what the file looks like instead. */
async function kindOf(source: FileSource): Promise<FileKind> {
  const start = Buffer.from(await readBytes(source, 0, Math.min(16, source.sizeBytes)));
  const text = start.toString('latin1');
  if (text.startsWith('PK\x03\x04') || text.startsWith('PK\x05\x06')) return 'zip';
  if (start[0] === 0x80 && (start[1] ?? 255) <= 5) return 'stream';
  if (text[8] === '{' && start[7] === 0) return 'safetensors'; // no header is longer than 2^56, and text has no NUL
  if (text[0] === '{') return 'json';
  const likeness = text.startsWith('version https:')
    ? 'a Git LFS pointer instead of the file it points to'
    : text.startsWith('<')
      ? 'an HTML or XML page'
      : source.sizeBytes === 0
        ? 'an empty file'
        : `a file that begins with ${start.toString('hex')}`;
  throw new IntegrityError(
    `${source.name}: expected a torch.save archive or stream, safetensors, or an index.json; found ${likeness}`,
    { code: 'unknown-format', hint: 'fetch the file again' },
  );
}

/** The attention heads that the first config.json tells, if there is one. */
async function headsInConfig(folders: readonly string[]): Promise<number | undefined> {
  for (const folder of folders) {
    const file = path.join(folder, 'config.json');
    if (!(await pathExists(file))) continue;
    const { num_attention_heads, n_head } = parseWith(headsSchema, await readJson(file), file);
    return num_attention_heads ?? n_head;
  }
  return undefined;
}
