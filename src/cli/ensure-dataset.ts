/** The files of a task's data: given by --data, bundled, already here, or downloaded once into FSB_HOME. */
import path from 'node:path';
import { datasetFolder } from '../registry/home.ts';
import { bundledPath, getDataset, type RegistryDataset } from '../registry/registry.ts';
import { messageOf, NetworkError, NotFoundError } from '../util/errors.ts';
import { pathExists } from '../util/files.ts';
import type { Context } from './context.ts';

/** A folder or zip that holds the splits of the registry's data set `name`. */
export async function ensureDataset(
  context: Context,
  name: string,
): Promise<{ source: string; dataset: RegistryDataset }> {
  const registry = await context.registry();
  const dataset = getDataset(registry, name);
  const folder = datasetFolder(dataset.name, context.environment.home);
  for (const source of dataset.sources)
    if (source.kind === 'bundled') return { source: bundledPath(registry, source), dataset };
  if (await pathExists(folder)) return { source: folder, dataset };
  return { source: await download(context, dataset, folder), dataset };
}

// --- internal ---

/** Tries the official URL, then the mirrors; the archive is kept as it is, splits are read out of it. */
async function download(context: Context, dataset: RegistryDataset, folder: string): Promise<string> {
  const { environment, messages, output } = context;
  const hint = `download ${urlsOf(dataset)[0]} by other means and pass it with --data ZIP|DIR`;
  if (environment.offline)
    throw new NetworkError(`the data of ${dataset.name} is not on this machine, and fsb is offline`, {
      code: 'offline',
      hint,
    });
  const { pullModel } = await import('../hub/pull.ts');
  const failures: string[] = [];
  for (const url of urlsOf(dataset)) {
    const progress = await output.progress(messages.dataset(dataset.name), 'bytes');
    try {
      const { path: pulled } = await pullModel({
        name: dataset.name,
        sources: [{ kind: 'http', url }],
        target: folder,
        include: ['*.zip'],
        firstUseFile: path.join(environment.home, 'first-use.json'),
        signal: context.signal,
        onEvent: (event) => {
          if (event.type === 'progress') progress.update(event.bytes, event.sizeBytes);
        },
      });
      return path.join(pulled, path.basename(new URL(url).pathname));
    } catch (error) {
      context.signal.throwIfAborted();
      if (!(error instanceof NetworkError || error instanceof NotFoundError)) throw error;
      failures.push(messageOf(error));
    } finally {
      progress.stop();
    }
  }
  throw new NetworkError(`the data of ${dataset.name} could not be downloaded: ${failures.join('; ')}`, {
    code: 'dataset-unreachable',
    hint,
  });
}

function urlsOf(dataset: RegistryDataset): string[] {
  return dataset.sources.flatMap((source) => (source.kind === 'archive' ? [source.url] : []));
}
