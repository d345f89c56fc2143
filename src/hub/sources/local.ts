/** A checkpoint on this machine: a folder, or a zip as the models were first handed out. */
import { createReadStream } from 'node:fs';
import { open, opendir, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { IntegrityError, isSystemError, NotFoundError, UsageError } from '../../util/errors.ts';
import { openZip, type ZipArchive, type ZipEntry } from '../../util/zip.ts';
import { checkpointRoot, isLitter, isWeights } from '../checkpoint-files.ts';
import type { Listing, Source, SourceFile } from './source.ts';

const READ_CHUNK_BYTES = 1 << 20;
/** A checkpoint has a dozen files, a clone some hundred objects in .git; more is another kind of folder. */
const MAX_FOLDER_ENTRIES = 50_000;
const LFS_POINTER_START = 'version https://git-lfs.github.com/spec/';
const LFS_POINTER_MAX_BYTES = 1024;

/** Opens a folder or zip; `file:` URLs are paths too. Throws NotFoundError, or what openZip throws. */
export async function localSource(location: string): Promise<Source> {
  const target = path.resolve(location.startsWith('file:') ? fileURLToPath(location) : location);
  const found = await stat(target).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR'))
      throw new NotFoundError(`${target} does not exist`, { code: 'file-not-found', facts: { path: target } });
    throw error;
  });
  if (found.isDirectory()) return folderSource(target);
  if (found.isFile()) return zipSource(target, `local:${target}`);
  throw new UsageError(`${target}: expected a folder or a zip`, { code: 'not-a-checkpoint' });
}

/** The files of a zip, under the folder in it that is the checkpoint. Throws what openZip and checkpointRoot throw. */
export async function zipSource(file: string, label: string): Promise<Source> {
  const archive = await openZip(file);
  try {
    return sourceOfArchive(archive, label);
  } catch (error) {
    await archive.close();
    throw error;
  }
}

/** The files of a folder, under the folder in it that is the checkpoint; links to files are followed. */
export async function folderSource(folder: string): Promise<Source> {
  const { files: all, otherFolders } = await walk(folder);
  const root = rootOf(
    all.map((file) => file.path),
    folder,
  );
  const files = all.filter((file) => root.holds(file.path)).map((file) => ({ ...file, path: root.strip(file.path) }));
  const base = path.join(folder, root.path);
  const at = (file: SourceFile): string => path.join(base, file.path);
  return {
    label: `local:${base}`,
    async list(): Promise<Listing> {
      for (const file of files) await refuseLfsPointer(at(file), file);
      return { revision: undefined, files, leftOut: [...root.leftOut, ...otherFolders] };
    },
    async open(file, offset) {
      const { size } = await stat(at(file));
      const chunks = createReadStream(at(file), { start: offset, highWaterMark: READ_CHUNK_BYTES });
      return { chunks: chunks as AsyncIterable<Buffer>, sizeBytes: size - offset };
    },
    localPath: at,
    async close() {},
  };
}

/** The entries under the folder that is the checkpoint, by their path in it. Throws what checkpointRoot throws. */
export function entriesOfCheckpoint(all: readonly ZipEntry[], where: string) {
  const entries = all.filter((entry) => !isLitter(entry.path));
  const root = rootOf(
    entries.map((entry) => entry.path),
    where,
  );
  const byPath = new Map(entries.flatMap((entry) => (root.holds(entry.path) ? [[root.strip(entry.path), entry]] : [])));
  return { byPath, leftOut: root.leftOut };
}

/** All but the first `offset` bytes. */
export async function* skipBytes(chunks: AsyncIterable<Buffer>, offset: number): AsyncGenerator<Buffer> {
  let toSkip = offset; // a deflated entry has to be read from its beginning
  for await (const chunk of chunks) {
    if (chunk.length > toSkip) yield chunk.subarray(toSkip);
    toSkip = Math.max(0, toSkip - chunk.length);
  }
}

// --- internal ---

function sourceOfArchive(archive: ZipArchive, label: string): Source {
  const { byPath, leftOut } = entriesOfCheckpoint(archive.entries, archive.file);
  return {
    label,
    async list() {
      const files = [...byPath].map(([name, entry]) => ({ path: name, sizeBytes: entry.sizeBytes }));
      return { revision: undefined, files, leftOut };
    },
    async open(file, offset) {
      const entry = byPath.get(file.path);
      if (!entry) throw missing(archive.file, file.path);
      return { chunks: skipBytes(archive.stream(entry), offset), sizeBytes: entry.sizeBytes - offset };
    },
    close: () => archive.close(),
  };
}

function rootOf(paths: readonly string[], where: string) {
  const folder = checkpointRoot(paths, where);
  const prefix = folder === '' ? '' : `${folder}/`;
  return {
    path: folder,
    holds: (name: string) => name.startsWith(prefix),
    strip: (name: string) => name.slice(prefix.length),
    leftOut: paths.filter((name) => !name.startsWith(prefix)),
  };
}

async function walk(folder: string): Promise<{ files: { path: string; sizeBytes: number }[]; otherFolders: string[] }> {
  const files: { path: string; sizeBytes: number }[] = [];
  const otherFolders: string[] = [];
  let entries = 0;
  for await (const entry of await opendir(folder, { recursive: true })) {
    if (++entries > MAX_FOLDER_ENTRIES)
      throw new UsageError(`${folder}: more than ${MAX_FOLDER_ENTRIES} files and folders; a checkpoint has a dozen`, {
        code: 'not-a-checkpoint',
        hint: 'give the folder which holds config.json itself',
      });
    const full = path.join(entry.parentPath, entry.name);
    const name = path.relative(folder, full).split(path.sep).join('/');
    if (entry.isDirectory() || isLitter(name)) continue;
    const target = await stat(full).catch((error: unknown) => {
      throw new NotFoundError(`${full}: the link leads nowhere`, { code: 'file-not-found', cause: error });
    });
    if (target.isFile()) files.push({ path: name, sizeBytes: target.size });
    else otherFolders.push(name); // a link to a folder could lead in circles
  }
  return { files: files.sort((a, b) => (a.path < b.path ? -1 : 1)), otherFolders };
}

/** A clone without Git LFS has a few lines of text where the weights should be. */
async function refuseLfsPointer(file: string, { path: name, sizeBytes = 0 }: SourceFile): Promise<void> {
  if (!isWeights(name) || sizeBytes > LFS_POINTER_MAX_BYTES) return;
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(LFS_POINTER_START.length),
      0,
      LFS_POINTER_START.length,
      0,
    );
    if (buffer.toString('latin1', 0, bytesRead) !== LFS_POINTER_START) return;
  } finally {
    await handle.close();
  }
  throw new IntegrityError(`${file}: a Git LFS pointer of ${sizeBytes} bytes, not the weights`, {
    code: 'lfs-pointer',
    hint: 'run "git lfs pull" in that folder first',
  });
}

function missing(where: string, name: string): NotFoundError {
  return new NotFoundError(`${where}: there is no file ${JSON.stringify(name)}`, { code: 'file-not-found' });
}
