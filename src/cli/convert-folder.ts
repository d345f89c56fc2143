/** Converts a checkpoint folder with a progress bar, its tokenizer files, and the check that precedes the final name. */
import path from 'node:path';
import type { Manifest, ManifestTokenizer } from '../registry/manifest.ts';
import { NotFoundError } from '../util/errors.ts';
import type { Context } from './context.ts';

export interface ConvertFolderOptions {
  readonly dtype: string;
  readonly name: string;
  readonly revision: string | null;
}

/** Writes the model folder `target`; see convertCheckpoint for what is checked and thrown. */
export async function convertFolder(context: Context, source: string, target: string, options: ConvertFolderOptions): Promise<Manifest> {
  const { convertCheckpoint, parseModelDtype } = await import('../convert/convert.ts');
  const { checkModel } = await import('../pipelines/check-model.ts');
  const dtype = parseModelDtype(options.dtype);
  const progress = await context.output.progress(context.messages.converting(options.name, dtype), 'bytes');
  try {
    return await convertCheckpoint(source, path.resolve(target), {
      dtype,
      name: options.name,
      revision: options.revision ?? undefined,
      tokenizer: await tokenizerFiles(source),
      check: checkModel,
      onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
      onWarning: (message) => context.output.warn(message),
      signal: context.signal,
    });
  } finally {
    progress.stop();
  }
}

// --- internal ---

/** What the tokenizer contributes to a model folder; a checkpoint without tokenizer files still runs on ids. */
async function tokenizerFiles(source: string): Promise<{ manifest: ManifestTokenizer | null; files: Record<string, string> }> {
  const { openTokenizer } = await import('../tokenizers/open.ts');
  const { buildTokenizerFiles } = await import('../tokenizers/tokenizer-json.ts');
  try {
    const tokenizer = await openTokenizer(source);
    return await buildTokenizerFiles(source, tokenizer);
  } catch (error) {
    if (error instanceof NotFoundError) return { manifest: null, files: {} };
    throw error;
  }
}
