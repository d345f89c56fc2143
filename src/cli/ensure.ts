/**
 * From what the user calls a model to a folder on this machine, with the missing steps done and said on stderr.
 * A name is looked up in the registry first; a path (with a separator at its start, or one that exists) is a folder.
 */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { PullOptions, PullResult } from '../hub/pull.ts';
import { checkpointFolder, checkpointsFolder, folderName, modelFolder } from '../registry/home.ts';
import { type Manifest, readManifest } from '../registry/manifest.ts';
import { type Sized, workloadOf } from '../registry/needs.ts';
import { findModel, getModel, type RegistryModel } from '../registry/registry.ts';
import { NetworkError, NotFoundError, UsageError } from '../util/errors.ts';
import { isDirectory, pathExists } from '../util/files.ts';
import { formatBytes } from '../util/format.ts';
import type { Context } from './context.ts';
import { convertFolder } from './convert-folder.ts';
import { localState } from './local-state.ts';
import { preferredDtypes } from './preferred-dtypes.ts';

const DEFAULT_HUB = 'https://huggingface.co';
/** Serves the hub's protocol and the same bytes where the hub is out of reach. */
export const HUB_MIRROR = 'https://hf-mirror.com';

export interface EnsureOptions {
  /** @default by size and device: see preferred-dtypes.ts */
  readonly dtype?: string | undefined;
  /** Where it will run, as --device names it. @default auto */
  readonly device?: string | undefined;
  /** False: do nothing that takes long, refuse instead. */
  readonly auto: boolean;
}

/** What a name stands for. */
type Place =
  | { readonly kind: 'model'; readonly folder: string }
  | { readonly kind: 'checkpoint'; readonly folder: string; readonly name: string; readonly revision: string | null }
  | { readonly kind: 'registry'; readonly entry: RegistryModel };

/**
 * The model folder that NAME means, after pulling and converting what is missing.
 * @throws UsageError (wrong-dtype) when NAME is a model folder in another type than the one asked for
 */
export async function ensureModel(context: Context, name: string, options: EnsureOptions): Promise<string> {
  const dtype = options.dtype ?? (await dtypeFor(context, name, options.device ?? 'auto'));
  const place = await placeOf(context, name, dtype);
  if (place.kind === 'model') {
    if (options.dtype !== undefined) await requireDtype(place.folder, options.dtype);
    return place.folder;
  }
  if (!options.auto)
    throw new NotFoundError(`${name} is not converted to ${dtype} on this machine, and --no-auto forbids doing it`, {
      code: 'not-converted',
      hint: `run: fsb convert ${name} --dtype ${dtype}`,
    });
  const checkpoint = place.kind === 'checkpoint' ? place : await pulled(context, place.entry);
  const target = modelFolder(checkpoint.name, dtype, context.environment.home);
  context.output.note(context.messages.missingStep(name, `fsb convert ${name} --dtype ${dtype}`));
  await convertFolder(context, checkpoint.folder, target, {
    dtype,
    name: checkpoint.name,
    revision: checkpoint.revision,
  });
  return target;
}

/** The checkpoint folder that NAME means, pulled when it is missing, with the name its model gets. */
export async function ensureCheckpoint(
  context: Context,
  name: string,
): Promise<{ folder: string; name: string; revision: string | null }> {
  const place = await placeOf(context, name);
  if (place.kind === 'checkpoint') return place;
  if (place.kind === 'registry') return pulled(context, place.entry);
  throw new NotFoundError(`${place.folder} is a converted model; expected a PyTorch checkpoint`, {
    code: 'not-a-checkpoint',
  });
}

/**
 * The file or folder that a name or path means, as it is now: a path as given; a name's checkpoint, else its newest
 * model. Bundled models are unpacked. Throws NotFoundError when nothing of it is on this machine.
 */
export async function locate(context: Context, target: string): Promise<string> {
  if (isPath(target) || (await pathExists(target))) {
    if (await pathExists(target)) return target;
    throw new NotFoundError(`${target} does not exist`, { code: 'file-not-found' });
  }
  const place = await placeOf(context, target);
  if (place.kind !== 'registry') return place.folder;
  const state = await localState(place.entry.name, context.environment.home);
  const dtype = state.models[0];
  if (dtype) return modelFolder(place.entry.name, dtype, context.environment.home);
  // what comes with fsb is as good as here; anything else may be gigabytes away
  if (place.entry.sources.some(({ kind }) => kind === 'bundled')) return (await pulled(context, place.entry)).folder;
  throw new NotFoundError(`nothing of ${place.entry.name} is on this machine`, {
    code: 'not-here',
    hint: `run: fsb pull ${place.entry.name}`,
  });
}

/** Pulls a registry entry with progress bars; see PullOptions for the rest. */
export async function pullEntry(
  context: Context,
  entry: RegistryModel,
  options: Partial<PullOptions> = {},
): Promise<PullResult> {
  const { pullModel } = await import('../hub/pull.ts');
  const { pullProgress } = await import('./pull-progress.ts');
  const { environment, messages, output } = context;
  const progress = await pullProgress(output, messages.pulling(entry.name));
  try {
    return await pullModel({
      ...pullSettings(context, entry),
      signal: context.signal,
      onEvent(event) {
        if (event.type === 'passed-over') progress.note(`${event.source}: ${event.reason}`);
        else if (event.type === 'source') progress.note(messages.source(event.source));
        else if (event.type === 'waiting') progress.note(messages.waitingFor(event.pid, event.host));
        else if (event.type === 'left-out') progress.note(messages.leftOut(event.paths.join(', ')));
        else progress.event(event);
      },
      ...options,
    });
  } catch (error) {
    progress.stop(); // what is said now must not be wiped away with the bars
    if (context.signal.aborted) output.note(messages.resumePull(formatBytes(progress.heldBytes())));
    // the one case where another command helps and the error itself cannot know it
    if (error instanceof NetworkError && environment.offline)
      throw new NetworkError(error.message, {
        code: error.code,
        hint: error.hint ?? messages.offlineHint(entry.name),
        cause: error,
      });
    throw error;
  } finally {
    progress.stop();
  }
}

/** Options of a pull that follow from the registry and the environment. */
export function pullSettings(context: Context, entry: RegistryModel): PullOptions {
  const { environment } = context;
  return {
    name: entry.name,
    sources: withHubMirror(entry.sources, environment.huggingFaceEndpoint),
    target: (revision) => checkpointFolder(entry.name, revision, environment.home),
    offline: environment.offline,
    huggingFaceEndpoint: environment.huggingFaceEndpoint,
    huggingFaceToken: environment.huggingFaceToken,
    modelScopeEndpoint: environment.modelScopeEndpoint,
    caches: { huggingFace: environment.huggingFaceCache, modelScope: environment.modelScopeCache },
    firstUseFile: path.join(environment.home, 'first-use.json'),
  };
}

/** The public mirror of the hub stands behind it, unless HF_ENDPOINT says which one is meant. */
function withHubMirror(sources: RegistryModel['sources'], endpoint: string): PullOptions['sources'] {
  if (endpoint !== DEFAULT_HUB) return sources;
  return sources.flatMap<PullOptions['sources'][number]>((source) =>
    source.kind === 'huggingface' ? [source, { ...source, endpoint: HUB_MIRROR }] : [source],
  );
}

// --- internal ---

/** Of the types that will do for NAME, the first one that it has on this machine, else the first. */
async function dtypeFor(context: Context, name: string, device: string): Promise<string> {
  const { home } = context.environment;
  const key = await keyOf(context, name);
  const { models } = await localState(key, home);
  const known = models[0] !== undefined ? modelFolder(key, models[0], home) : undefined;
  const preferred = preferredDtypes(
    known ? sizeOfModel(await readManifest(known)) : await sizeOf(context, name),
    device,
  );
  return preferred.find((dtype) => models.includes(dtype)) ?? preferred[0];
}

async function sizeOf(context: Context, name: string): Promise<Sized> {
  const place = await placeOf(context, name);
  if (place.kind === 'model') return sizeOfModel(await readManifest(place.folder));
  if (place.kind === 'registry') {
    const { parameters, architecture, dimensions } = place.entry;
    // 0 where the registry does not know: then it runs exactly
    return { parameters: parameters ?? 0, workload: workloadOf(architecture), dimensions };
  }
  const { openCheckpoint } = await import('../checkpoint/open.ts');
  const { planModel, readConfig } = await import('../convert/convert.ts');
  const { parametersOf } = await import('../architectures/architecture.ts');
  const checkpoint = await openCheckpoint(place.folder);
  try {
    const { plan } = planModel(checkpoint, await readConfig(checkpoint));
    return { parameters: parametersOf(plan), workload: plan.workload };
  } finally {
    await checkpoint.close();
  }
}

function sizeOfModel({ parameters, architecture }: Manifest): Sized {
  return { parameters, workload: workloadOf(architecture) };
}

/** What NAME's models and checkpoints are filed under. */
async function keyOf(context: Context, name: string): Promise<string> {
  if (isPath(name)) return uniqueName(name);
  const entry = findModel(await context.registry(), name);
  if (entry) return entry.name;
  const { checkpoints, models } = await localState(name, context.environment.home);
  const isFiled = checkpoints.length + models.length > 0;
  return !isFiled && (await isDirectory(name)) ? uniqueName(name) : name;
}

async function requireDtype(folder: string, dtype: string): Promise<void> {
  const { dtype: found } = await readManifest(folder);
  if (found === dtype) return;
  throw new UsageError(`--dtype ${dtype}: ${folder} is a model in ${found}`, {
    code: 'wrong-dtype',
    hint: 'convert the checkpoint that it was made of, or leave --dtype out',
  });
}

async function placeOf(context: Context, name: string, dtype?: string): Promise<Place> {
  if (isPath(name)) return folderPlace(context, name, dtype);
  const registry = await context.registry();
  const entry = findModel(registry, name);
  const home = context.environment.home;
  const key = entry?.name ?? name;
  if (dtype !== undefined && (await pathExists(path.join(modelFolder(key, dtype, home), 'manifest.json'))))
    return { kind: 'model', folder: modelFolder(key, dtype, home) };
  const local = await newestCheckpoint(key, home);
  if (local) return { kind: 'checkpoint', name: key, ...local };
  if (entry) return { kind: 'registry', entry };
  if (await isDirectory(name)) return folderPlace(context, name, dtype);
  return { kind: 'registry', entry: getModel(registry, name) }; // throws, with near names
}

async function folderPlace(context: Context, folder: string, dtype?: string): Promise<Place> {
  if (!(await pathExists(folder))) throw new NotFoundError(`${folder} does not exist`, { code: 'folder-not-found' });
  if (await pathExists(path.join(folder, 'manifest.json'))) return { kind: 'model', folder };
  const name = await uniqueName(folder);
  const converted = dtype === undefined ? undefined : modelFolder(name, dtype, context.environment.home);
  if (converted && (await pathExists(path.join(converted, 'manifest.json'))))
    return { kind: 'model', folder: converted };
  return { kind: 'checkpoint', folder, name, revision: null };
}

/** Written as a path: ./x, ../x, /x, ~/x, C:\x. Hub ids have a slash too, but never at their start. */
function isPath(name: string): boolean {
  return path.isAbsolute(name) || /^(\.{1,2}|~)?[/\\]/.test(name) || name === '.' || name === '..';
}

/** A folder's own name with a mark that changes when its files do, so that a stale conversion is never taken. */
async function uniqueName(folder: string): Promise<string> {
  const absolute = path.resolve(folder);
  const hash = createHash('sha256').update(absolute);
  if (await isDirectory(absolute))
    for (const file of (await readdir(absolute)).sort()) {
      const { size, mtimeMs } = await stat(path.join(absolute, file));
      hash.update(`\0${file}\0${size}\0${mtimeMs}`);
    }
  return `${folderName(path.basename(absolute))}-${hash.digest('hex').slice(0, 8)}`;
}

async function newestCheckpoint(
  name: string,
  home: string,
): Promise<{ folder: string; revision: string | null } | undefined> {
  const parent = checkpointsFolder(name, home);
  const { checkpoints } = await localState(name, home);
  const dated = await Promise.all(
    checkpoints.map(async (revision) => ({ revision, at: (await stat(path.join(parent, revision))).mtimeMs })),
  );
  const newest = dated.sort((a, b) => b.at - a.at)[0];
  return (
    newest && {
      folder: path.join(parent, newest.revision),
      revision: newest.revision === 'local' ? null : newest.revision,
    }
  );
}

async function pulled(
  context: Context,
  entry: RegistryModel,
): Promise<{ folder: string; name: string; revision: string | null }> {
  context.output.note(context.messages.missingStep(entry.name, `fsb pull ${entry.name}`));
  const result = await pullEntry(context, entry);
  return { folder: result.path, name: entry.name, revision: result.revision };
}
