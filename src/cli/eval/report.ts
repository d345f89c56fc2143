/** What is done with finished runs: eval.json, the table, files for CI and for people, --min-accuracy. */
import path from 'node:path';
import type { ClueTask } from '../../evaluation/clue-task.ts';
import type { EvaluationRun } from '../../evaluation/evaluate.ts';
import { summarizeFolds } from '../../evaluation/fold-summary.ts';
import { junitReport } from '../../evaluation/junit.ts';
import { reportPage } from '../../evaluation/page.ts';
import { reportMarkdown, runTable, runTitle, tableCsv, tableNotes } from '../../evaluation/report.ts';
import { ValidationError } from '../../util/errors.ts';
import { writeTextFile } from '../../util/files.ts';
import { formatDuration } from '../../util/format.ts';
import type { Context } from '../context.ts';
import { formatTable } from '../table.ts';
import type { ReportOptions } from './options.ts';

export interface ReportContext {
  readonly out: string;
  readonly tasks: readonly ClueTask[];
}

/**
 * Writes and prints; at last throws ValidationError when a score is below --min-accuracy. eval.json names the predictions
 * as seen from its own folder, so that the folder may be moved.
 */
export async function reportRuns(
  context: Context,
  runs: readonly EvaluationRun[],
  options: ReportOptions,
  { out, tasks }: ReportContext,
): Promise<void> {
  const { language } = context.environment;
  const document = documentOf(
    runs.map((run) => ({ ...run, predictionsFile: run.predictionsFile && path.relative(out, run.predictionsFile) })),
  );
  await writeTextFile(path.join(out, 'eval.json'), [`${JSON.stringify(document, null, 2)}\n`]);
  if (options.junit !== undefined)
    await writeTextFile(path.resolve(options.junit), [junitReport(runs, options.minAccuracy)]);
  if (options.report !== undefined) {
    await writeTextFile(path.resolve(options.report), [reportPage({ runs, tasks, language })]);
    context.output.note(context.messages.reportIn(options.report));
  }
  await print(context, runs, options);
  requireAccuracy(runs, options.minAccuracy);
}

// --- internal ---

/** fsb.eval/1; `folds` only where there are any. */
function documentOf(runs: readonly EvaluationRun[]) {
  const folds = summarizeFolds(runs);
  return { schema: 'fsb.eval/1', ...{ runs }, ...(folds.length > 0 && { folds }) };
}

async function print(context: Context, runs: readonly EvaluationRun[], options: ReportOptions): Promise<void> {
  const { output, messages, environment } = context;
  const { language } = environment;
  if (output.json) return output.result(documentOf(runs), () => '');
  const table = runTable(runs, language);
  const format = options.markdown ? 'markdown' : options.format;
  if (format === 'markdown') output.line(reportMarkdown(runs, language).trimEnd());
  else if (format === 'csv') output.line(tableCsv(table).trimEnd());
  else output.line(await formatTable(output, table.columns, table.rows));
  if (format !== 'markdown') for (const note of runs.flatMap((run) => tableNotes(run, language))) output.note(note);
  for (const run of runs) output.note(messages.evalTook(runTitle(run), run.examples, formatDuration(run.seconds)));
  for (const { predictionsFile } of runs) if (predictionsFile) output.note(messages.predictionsIn(predictionsFile));
}

function requireAccuracy(runs: readonly EvaluationRun[], least: number | undefined): void {
  if (least === undefined) return;
  // folds are judged by their mean
  const scores = [
    ...runs.filter(({ fold }) => fold === null),
    ...summarizeFolds(runs).map(({ task, mean }) => ({ task, accuracy: mean })),
  ];
  const low = scores.filter(({ accuracy }) => accuracy < least);
  if (low.length === 0) return;
  throw new ValidationError(
    low
      .map(({ task, accuracy }) => `${task}: accuracy ${accuracy.toFixed(4)} is below --min-accuracy ${least}`)
      .join('; '),
    { code: 'accuracy-too-low' },
  );
}
