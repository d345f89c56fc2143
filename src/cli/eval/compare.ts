/** fsb eval --compare A B: McNemar's test between two models' answers, and the examples they answer differently. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { type Comparison, comparePredictions } from '../../evaluation/compare.ts';
import { readPredictions } from '../../evaluation/predictions.ts';
import { NotFoundError, UsageError } from '../../util/errors.ts';
import { isDirectory } from '../../util/files.ts';
import type { CommonOptions, Context } from '../context.ts';
import { formatTable } from '../table.ts';

/** Flipped examples shown; --json has all. */
const MAX_SHOWN = 20;

const SUFFIX = '.predictions.jsonl';

export interface CompareOptions extends CommonOptions {
  readonly compare?: readonly string[];
}

/** Compares two predictions files, or the files of the same name in two --out folders. */
export async function compareFiles(context: Context, options: CompareOptions): Promise<void> {
  const [first, second, ...rest] = options.compare ?? [];
  if (first === undefined || second === undefined || rest.length > 0)
    throw new UsageError(`--compare: expected two files or folders, found ${options.compare?.length ?? 0}`, {
      code: 'compare-two',
    });
  const comparisons: { readonly name: string; readonly comparison: Comparison }[] = [];
  for (const { name, a, b } of await pairsOf(first, second))
    comparisons.push({ name, comparison: comparePredictions(await readPredictions(a), await readPredictions(b)) });
  const { output, messages } = context;
  if (output.json)
    return output.result(
      {
        schema: 'fsb.eval-compare/1',
        ...{ first, second, comparisons: comparisons.map(({ name, comparison }) => ({ name, ...comparison })) },
      },
      () => '',
    );
  for (const { name, comparison } of comparisons) {
    output.line(messages.compared(name, comparison));
    const rows = comparison.flipped
      .slice(0, MAX_SHOWN)
      .map((row) => [String(row.id), row.label, row.first, row.second]);
    if (rows.length > 0) output.line(await formatTable(output, messages.compareColumns, rows));
    if (comparison.flipped.length > MAX_SHOWN) output.note(messages.moreFlipped(comparison.flipped.length - MAX_SHOWN));
  }
}

// --- internal ---

async function pairsOf(first: string, second: string): Promise<{ name: string; a: string; b: string }[]> {
  const folders = [await isDirectory(first), await isDirectory(second)];
  if (!folders[0] && !folders[1]) return [{ name: path.basename(first, SUFFIX), a: first, b: second }];
  if (folders[0] !== folders[1])
    throw new UsageError('--compare: expected two files or two folders, found one of each', { code: 'compare-two' });
  const [inFirst, inSecond] = await Promise.all([first, second].map((folder) => readdir(folder)));
  const shared = inFirst!.filter((name) => name.endsWith(SUFFIX) && inSecond!.includes(name)).sort();
  if (shared.length === 0)
    throw new NotFoundError(`${first} and ${second} share no *${SUFFIX}`, { code: 'nothing-to-compare' });
  return shared.map((name) => ({
    name: path.basename(name, SUFFIX),
    a: path.join(first, name),
    b: path.join(second, name),
  }));
}
