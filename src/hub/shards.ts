/** Whether a checkpoint in several files is all there, by its index (transformers' `*.index.json`). */
import path from 'node:path';
import { z } from 'zod';
import { NotFoundError } from '../util/errors.ts';
import { parseWith, readJson } from '../util/json.ts';
import { listPaths } from './checkpoint-files.ts';
import type { SourceFile } from './sources/source.ts';

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });

/** Lists the files of weights; small, and fetched before them. */
export function isShardIndex({ path: name }: SourceFile): boolean {
  return /\.(safetensors|bin)\.index\.json$/.test(name);
}

/** Throws NotFoundError that names every file which the indexes in `folder` list and `files` lacks. */
export async function requireShards(folder: string, files: readonly SourceFile[], where: string): Promise<void> {
  const there = new Set(files.map((file) => file.path));
  for (const index of files.filter(isShardIndex)) {
    const full = path.join(folder, index.path);
    const { weight_map: map } = parseWith(indexSchema, await readJson(full), `${index.path} from ${where}`);
    const shards = [...new Set(Object.values(map))].map((shard) =>
      path.posix.join(path.posix.dirname(index.path), shard),
    );
    const missing = shards.filter((shard) => !there.has(shard)).map((shard) => ({ path: shard }));
    if (missing.length === 0) continue;
    throw new NotFoundError(
      `${where}: the checkpoint is not complete: ${index.path} lists ${shards.length} files of weights, missing ${listPaths(missing)}`,
      {
        code: 'shards-missing',
        hint: 'take another revision (--revision) or another source (--mirror); --include fetches what is there',
        facts: { missing: missing.map((shard) => shard.path) },
      },
    );
  }
}
