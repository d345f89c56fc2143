/** Converts a checkpoint folder with a progress bar, its tokenizer files, and the check that precedes the final name. */
import path from 'node:path';
import type { Budget } from '../convert/budget.ts';
import type { WritableDtype } from '../convert/dtypes.ts';
import type { Manifest } from '../registry/manifest.ts';
import { UsageError } from '../util/errors.ts';
import type { Context } from './context.ts';
import type { BudgetedFormats } from './convert-budget.ts';

export interface ConvertFolderOptions {
  readonly dtype: string;
  readonly name: string;
  readonly revision: string | null;
  /** A budget of quality, which chooses the format of each matrix. @default the formats of the dtype */
  readonly budget?: Budget | undefined;
  /** Texts for that, one a line. @default those that come with fsb */
  readonly calibrate?: string | undefined;
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
  const budgeted = await budgetedFormats(context, source, dtype, options);
  const progress = await context.output.progress(context.messages.converting(options.name, dtype), 'bytes');
  try {
    return await convertCheckpoint(source, path.resolve(target), {
      dtype,
      name: options.name,
      revision: options.revision ?? undefined,
      tokenizer: (plan) => tokenizerFiles(source, plan),
      check: async (folder, manifest) => {
        requireProbes(await runProbes(folder, manifest), options.name);
        await budgeted?.measure(folder);
      },
      formats: budgeted?.formats,
      precision: budgeted?.precision,
      onProgress: ({ doneBytes, totalBytes }) => progress.update(doneBytes, totalBytes),
      onWarning: (message) => context.output.warn(message),
      signal: context.signal,
    });
  } finally {
    progress.stop();
  }
}

// --- internal ---

async function budgetedFormats(
  context: Context,
  source: string,
  dtype: WritableDtype,
  { budget, calibrate }: ConvertFolderOptions,
): Promise<BudgetedFormats | undefined> {
  if (!budget) {
    if (calibrate === undefined) return undefined;
    throw new UsageError(`--calibrate ${calibrate}: texts are read for a budget only`, {
      code: 'calibrate-without-budget',
      hint: 'add --budget kl=0.01',
    });
  }
  if (dtype !== 'int8' && dtype !== 'int4')
    throw new UsageError(`--budget: expected --dtype int8 or int4, the format to start from, found ${dtype}`, {
      code: 'budget-without-integers',
    });
  const { formatsWithinBudget } = await import('./convert-budget.ts');
  return formatsWithinBudget(context, source, { budget, dtype, calibrate });
}
