/** What of a model is on this machine. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { checkpointsFolder, modelFolder } from '../registry/home.ts';
import { pathExists } from '../util/files.ts';

export interface LocalState {
  /** Revisions of the checkpoint. */
  readonly checkpoints: readonly string[];
  /** Types it was converted to. */
  readonly models: readonly string[];
}

/** Looks into FSB_HOME; unfinished folders (.partial, .old) do not count. */
export async function localState(name: string, home: string): Promise<LocalState> {
  const dtypes = await finishedFolders(path.dirname(modelFolder(name, 'fp32', home)));
  const models: string[] = [];
  for (const dtype of dtypes)
    if (await pathExists(path.join(modelFolder(name, dtype, home), 'manifest.json'))) models.push(dtype);
  return { checkpoints: await finishedFolders(checkpointsFolder(name, home)), models };
}

// --- internal ---

async function finishedFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []); // no folder: nothing is here
  return entries
    .filter((entry) => entry.isDirectory() && !/\.(partial|old)$/.test(entry.name))
    .map((entry) => entry.name);
}
