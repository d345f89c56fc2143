/** The index of a checkpoint in several files: transformers' `*.index.json`, tensor name → shard file. */
import { z } from 'zod';
import type { LazyTensor } from '../tensor/lazy-tensor.ts';
import { IntegrityError } from '../util/errors.ts';
import { isContainedPath } from '../util/files.ts';
import { parseWith, readJson } from '../util/json.ts';
import { corruptArchive, unsafePath } from './refusals.ts';

/** The largest checkpoints that transformers shards have some hundred files. */
const MAX_SHARDS = 1024;
const MAX_PATH_LENGTH = 1024;

const indexSchema = z.object({
  metadata: z.record(z.string(), z.unknown()).optional(),
  weight_map: z.record(z.string(), z.string()),
});

export interface ShardedIndex {
  readonly path: string;
  /** Tensor name → shard, as paths inside the index's folder. */
  readonly shardOf: ReadonlyMap<string, string>;
  /** Each shard once, in order of first mention. */
  readonly shards: readonly string[];
}

/** Reads an index; shard names must stay in its folder. Throws IntegrityError (malformed-document, unsafe-path). */
export async function readShardedIndex(file: string): Promise<ShardedIndex> {
  const { weight_map: map } = parseWith(indexSchema, await readJson(file), file);
  const shardOf = new Map(Object.entries(map));
  const shards = [...new Set(shardOf.values())];
  if (shards.length === 0 || shards.length > MAX_SHARDS)
    throw corruptArchive(file, `${shards.length} shards; expected 1 to ${MAX_SHARDS}`);
  for (const shard of shards) requireInside(file, shard);
  return { path: file, shardOf, shards };
}

/**
 * The tensors of all shards: each that is listed from the shard it is listed for, and those that no shard's list mentions.
 * Throws IntegrityError (missing-tensor) that names every listed tensor which its shard lacks.
 */
export function joinShards(
  index: ShardedIndex,
  contents: ReadonlyMap<string, ReadonlyMap<string, LazyTensor>>,
): ReadonlyMap<string, LazyTensor> {
  const absent = [...index.shardOf].filter(([name, shard]) => !contents.get(shard)?.has(name));
  if (absent.length > 0) {
    const shown = absent.slice(0, 5).map(([name, shard]) => `"${name}" in ${shard}`);
    throw new IntegrityError(`${index.path}: ${absent.length} tensors are listed but not there: ${shown.join(', ')}`, {
      code: 'missing-tensor',
      hint: 'the shards do not belong to this index: fetch them again, from one revision',
      facts: { tensors: absent.map(([name]) => name) },
    });
  }
  const tensors = new Map<string, LazyTensor>();
  for (const [shard, content] of contents)
    for (const [name, tensor] of content) {
      if ((index.shardOf.get(name) ?? shard) !== shard) continue;
      if (tensors.has(name))
        throw corruptArchive(index.path, `two shards hold "${name}", which the index does not list`);
      tensors.set(name, tensor);
    }
  return tensors;
}

// --- internal ---

function requireInside(file: string, shard: string): void {
  if (isContainedPath(shard) && shard.length <= MAX_PATH_LENGTH) return;
  throw unsafePath(
    file,
    `the index names the shard ${JSON.stringify(shard.slice(0, 200))}; expected a path inside its folder`,
  );
}
