/** Converts a checkpoint folder with a progress bar, its tokenizer files, and the check that precedes the final name. */
import path from 'node:path';
import type { Manifest } from '../registry/manifest.ts';
import type { Context } from './context.ts';

export interface ConvertFolderOptions {
  readonly dtype: string;
  readonly name: string;
  readonly revision: string | null;
}

/** Writes the model folder `target`; see convertCheckpoint for what is checked and thrown. */
export async function convertFolder(
  context: Context,
  source: string,
  target: string,
  options: ConvertFolderOptions,
): Promise<Manifest> {
  const { convertCheckpoint } = await import('../convert/convert.ts');
  const { parseDtype } = await import('../convert/dtypes.ts');
  const { requireProbes, runProbes } = await import('../pipelines/check-model.ts');
  const { tokenizerFiles } = await import('./tokenizer-files.ts');
  const dtype = parseDtype(options.dtype);
  const progress = await context.output.progress(context.messages.converting(options.name, dtype), 'bytes');
  try {
    return await convertCheckpoint(source, path.resolve(target), {
      dtype,
      name: options.name,
      revision: options.revision ?? undefined,
      tokenizer: (plan) => tokenizerFiles(source, plan),
      check: async (folder, manifest) => requireProbes(await runProbes(folder, manifest), options.name),
      onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
      onWarning: (message) => context.output.warn(message),
      signal: context.signal,
    });
  } finally {
    progress.stop();
  }
}
