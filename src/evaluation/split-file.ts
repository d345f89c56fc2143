/**
 * Finds a split's file in whatever form the data set lies on the disk: the archive as published, a folder, or the
 * file itself. Archives differ in their inner folders, so the base name decides.
 */
import { open, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { IntegrityError, isSystemError, NotFoundError, UsageError } from '../util/errors.ts';
import { formatBytes } from '../util/format.ts';
import { isSystemLitter } from '../util/relative-path.ts';
import { openZip } from '../util/zip.ts';
import type { SplitBytes } from './clue-task.ts';

/** The largest split is CMNLI's train.json, 391,783 rows and about 75 MB. */
const MAX_SPLIT_BYTES = 512 * 1024 * 1024;

/** Archives have one inner folder at most; deeper is somebody's home folder. */
const MAX_FOLDER_DEPTH = 3;

/** Names listed in messages. */
const MAX_NAMES_SHOWN = 20;

/**
 * Reads the file whose path ends in `file` ("dev.json", "tnews/dev_0.json") from an archive (.zip) or folder, or `source` itself when that is a plain file.
 * @throws NotFoundError when there is none (the message lists what there is), UsageError when there are several,
 * IntegrityError when it is too large or the archive is broken.
 */
export async function readSplitFile(source: string, file: string): Promise<SplitBytes> {
  const status = await stat(source).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT'))
      throw new NotFoundError(`${source} does not exist`, { code: 'dataset-not-found' });
    throw error;
  });
  if (status.isDirectory()) {
    const found = pick(await listFolder(source), file, source);
    return { name: path.join(source, found), bytes: await readWhole(path.join(source, found)) };
  }
  if (!source.toLowerCase().endsWith('.zip') && !(await isZip(source)))
    return { name: source, bytes: await readWhole(source) };
  return readFromZip(source, file);
}

/** The folder of a source that is neither archive nor folder: where a file's companions lie. */
export async function plainFileFolder(source: string): Promise<string | undefined> {
  if ((await stat(source)).isDirectory() || source.toLowerCase().endsWith('.zip') || (await isZip(source)))
    return undefined;
  return path.dirname(path.resolve(source));
}

// --- internal ---

async function readFromZip(source: string, file: string): Promise<SplitBytes> {
  const archive = await openZip(source);
  try {
    const found = pick(
      archive.entries.map((entry) => entry.path),
      file,
      source,
    );
    const name = `${source}/${found}`;
    const entry = archive.entries.find((candidate) => candidate.path === found)!;
    checkSize(entry.sizeBytes, name);
    const chunks: Buffer[] = [];
    for await (const chunk of archive.stream(entry)) chunks.push(chunk as Buffer);
    return { name, bytes: Buffer.concat(chunks) };
  } finally {
    await archive.close();
  }
}

/**
 * The nearest to the root of the paths that end so; the source's own name counts as a path's first part, so that both
 * the whole benchmark and one task's folder can be given.
 * Paths use "/" in archives and the system's separator in folders.
 */
function pick(paths: readonly string[], file: string, source: string): string {
  const wanted = parts(file);
  const own = path.basename(path.resolve(source));
  const found = paths.filter((name) => endsWith([own, ...parts(name)], wanted));
  const depth = Math.min(...found.map((name) => parts(name).length));
  const nearest = found.filter((name) => parts(name).length === depth);
  if (nearest.length > 1)
    throw new UsageError(`${source} holds ${nearest.length} files called ${file}: ${list(nearest)}`, {
      code: 'split-ambiguous',
      hint: 'name the folder or the file that is meant',
    });
  if (nearest[0] !== undefined) return nearest[0];
  const others = paths.filter((name) => /\.jsonl?$/.test(name));
  throw new NotFoundError(
    `${source} holds no ${file}; ${others.length > 0 ? `it holds ${list(others)}` : 'it holds no JSON file'}`,
    { code: 'split-not-found', facts: { source, file, found: others } },
  );
}

const endsWith = (all: readonly string[], end: readonly string[]): boolean =>
  end.every((part, i) => all[all.length - end.length + i] === part);

const parts = (name: string): string[] => name.split(/[/\\]/);

async function listFolder(folder: string, depth = 1): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (isSystemLitter(entry.isDirectory() ? `${entry.name}/` : entry.name)) continue;
    if (!entry.isDirectory()) names.push(entry.name);
    else if (depth < MAX_FOLDER_DEPTH)
      for (const inner of await listFolder(path.join(folder, entry.name), depth + 1))
        names.push(path.join(entry.name, inner));
  }
  return names.sort();
}

/** Zip files begin with a local file header, or with the end record when they are empty. */
async function isZip(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 4 && ['PK\x03\x04', 'PK\x05\x06'].includes(buffer.toString('latin1'));
  } finally {
    await handle.close();
  }
}

async function readWhole(file: string): Promise<Uint8Array> {
  checkSize((await stat(file)).size, file);
  return readFile(file);
}

function checkSize(sizeBytes: number, name: string): void {
  if (sizeBytes > MAX_SPLIT_BYTES)
    throw new IntegrityError(
      `${name}: ${formatBytes(sizeBytes)}; a split has at most ${formatBytes(MAX_SPLIT_BYTES)}`,
      {
        code: 'split-too-large',
      },
    );
}

function list(names: readonly string[]): string {
  return names.length > MAX_NAMES_SHOWN
    ? `${names.slice(0, MAX_NAMES_SHOWN).join(', ')}, … ${names.length} in all`
    : names.join(', ');
}
