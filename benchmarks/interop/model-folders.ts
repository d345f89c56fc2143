/** Model folders to show to other programs: every golden checkpoint and the embedded minis, converted to fp32. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { tokenizerFiles } from '../../src/cli/tokenizer-files.ts';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { importArchive } from '../../src/hub/import.ts';
import type { Manifest } from '../../src/registry/manifest.ts';
import { REPOSITORY } from '../report/provenance.ts';

export interface ModelFolder {
  readonly name: string;
  readonly folder: string;
  readonly manifest: Manifest;
}

/** Converts into `<work>/models/<name>`, in order; the larger set beside the repository, else the committed cases. */
export async function* modelFolders(work: string): AsyncGenerator<ModelFolder> {
  for (const checkpoint of await checkpoints(work)) {
    const name = path.basename(checkpoint);
    const folder = path.join(work, 'models', name);
    const tokenizer = (plan: Parameters<typeof tokenizerFiles>[1]) => tokenizerFiles(checkpoint, plan);
    yield { name, folder, manifest: await convertCheckpoint(checkpoint, folder, { name, tokenizer }) };
  }
}

// --- internal ---

async function checkpoints(work: string): Promise<string[]> {
  const shared = path.resolve(REPOSITORY, '..', 'shared', 'golden', 'models');
  const golden = existsSync(shared) ? shared : path.join(REPOSITORY, 'test', 'fixtures', 'models');
  const folders = readdirSync(golden).map((name) => path.join(golden, name));
  for (const zip of readdirSync(path.join(REPOSITORY, 'models')).filter((file) => file.endsWith('.zip'))) {
    const folder = path.join(work, 'checkpoints', path.basename(zip, '.zip'));
    await importArchive(path.join(REPOSITORY, 'models', zip), folder);
    folders.push(folder);
  }
  return folders;
}
