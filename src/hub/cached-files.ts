/**
 * Files that other tools have already downloaded: the caches of huggingface_hub and ModelScope are read, never written.
 * A candidate is found by its name or hash, taken without copying where the file system can, and hashed before it counts.
 *
 *     <HF_HUB_CACHE>/models--<owner>--<name>/blobs/<sha256 or Git blob id>, snapshots/<commit>/<path> (links to blobs, or files)
 *     <MODELSCOPE_CACHE>[/hub][/models]/<owner>/<name with "." as "___">/<path>, <owner>--<name>/snapshots/<revision>/<path>
 */
import { constants, createReadStream } from 'node:fs';
import { copyFile, link, mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { syncFile } from '../util/files.ts';
import { compareChecksum, createChecksum } from './checksum.ts';
import type { SourceFile } from './sources/source.ts';
import type { TransferredFile } from './transfer-options.ts';

export interface CacheFolders {
  /** HF_HUB_CACHE. */
  readonly huggingFace?: string | undefined;
  /** MODELSCOPE_CACHE. */
  readonly modelScope?: string | undefined;
}

/** Names under which the model may be in the caches. */
export interface CachedRepos {
  readonly huggingFace: readonly string[];
  readonly modelScope: readonly string[];
}

/**
 * Puts `folder/<file.path>` in place from a cache and returns it, or undefined when no cache has these very bytes.
 * Only files whose hash is known are looked for.
 */
export async function adoptCachedFile(
  file: SourceFile,
  folder: string,
  caches: CacheFolders,
  repos: CachedRepos,
  signal?: AbortSignal,
): Promise<TransferredFile | undefined> {
  if (file.sha256 === undefined && file.gitSha1 === undefined) return undefined;
  const target = path.join(folder, file.path);
  for await (const { candidate, label } of candidates(file, caches, repos)) {
    const found = await stat(candidate).catch(() => undefined);
    if (!found?.isFile() || (file.sizeBytes !== undefined && found.size !== file.sizeBytes)) continue;
    await mkdir(path.dirname(target), { recursive: true });
    await rm(target, { force: true });
    try {
      await place(await realpath(candidate), target);
      const checksum = createChecksum(file);
      for await (const chunk of createReadStream(target, { highWaterMark: 1 << 20, ...(signal && { signal }) }))
        checksum.update(chunk as Buffer);
      const { sizeBytes, sha256, gitSha1 } = checksum.digest();
      compareChecksum(file, { sizeBytes, sha256, gitSha1 }, candidate);
      return { path: file.path, sizeBytes, sha256, source: label };
    } catch {
      // Not readable, or not these bytes: a cache is an offer, and the network has the file too.
      await rm(target, { force: true });
      signal?.throwIfAborted();
    }
  }
  return undefined;
}

// --- internal ---

async function* candidates(
  file: SourceFile,
  caches: CacheFolders,
  repos: CachedRepos,
): AsyncGenerator<{ candidate: string; label: string }> {
  const hubRoot = caches.huggingFace;
  if (hubRoot !== undefined) {
    const known = repos.huggingFace.map((repo) => `models--${repo.replaceAll('/', '--')}`);
    const all = (await namesIn(hubRoot)).filter((name) => name.startsWith('models--') && !known.includes(name));
    for (const name of [...known, ...all])
      for (const hash of [file.sha256, file.gitSha1])
        if (hash !== undefined)
          yield { candidate: path.join(hubRoot, name, 'blobs', hash), label: `cache:huggingface/${name}` };
    for (const name of known)
      for (const commit of await namesIn(path.join(hubRoot, name, 'snapshots')))
        yield {
          candidate: path.join(hubRoot, name, 'snapshots', commit, file.path),
          label: `cache:huggingface/${name}`,
        };
  }
  const { modelScope } = caches;
  if (modelScope === undefined) return;
  for (const repo of repos.modelScope) {
    const label = `cache:modelscope/${repo}`;
    for (const parent of ['models', path.join('hub', 'models'), 'hub', ''])
      yield { candidate: path.join(modelScope, parent, repo.replaceAll('.', '___'), file.path), label };
    const snapshots = path.join(modelScope, repo.replaceAll('/', '--'), 'snapshots');
    for (const revision of await namesIn(snapshots))
      yield { candidate: path.join(snapshots, revision, file.path), label };
  }
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []); // no such cache
}

/** A clone where the file system has copy-on-write, else a second name for the same bytes, else a copy. */
async function place(source: string, target: string): Promise<void> {
  try {
    await copyFile(source, target, constants.COPYFILE_FICLONE_FORCE);
  } catch {
    try {
      await link(source, target);
      return;
    } catch {
      await copyFile(source, target);
    }
  }
  await syncFile(target);
}
