/** Runs a reading command: rows in, results out in order, as one document, as text, or as JSON lines. */
import type { OpenModelOptions } from '../pipelines/encoder.ts';
import type { Truncated } from '../pipelines/texts.ts';
import type { Manifest } from '../registry/manifest.ts';
import type { Context } from './context.ts';
import { readTexts, type TextRow } from './rows.ts';
import { inBatches, type ReadingOptions, withModel } from './running.ts';

/** A model that reads texts. */
interface TextModel {
  readonly manifest: Manifest;
  dispose(): Promise<void>;
}

export interface Reading<M, R> {
  readonly schema: string;
  readonly model: string;
  readonly texts: readonly string[];
  readonly pair?: string | undefined;
  readonly open: (folder: string, options: OpenModelOptions) => Promise<M>;
  /** Results of a batch of rows, in their order. */
  readonly run: (model: M, rows: TextRow[]) => Promise<R[]>;
  /** A result as text for people. */
  readonly print: (result: R, row: TextRow) => string;
}

/** Prints results as they come with --jsonl or --input, else at the end; warns of texts that were cut. */
export async function readAndPrint<M extends TextModel, R extends Truncated>(
  context: Context,
  options: ReadingOptions,
  reading: Reading<M, R>,
): Promise<void> {
  const asLines = options.jsonl || options.input !== undefined;
  await withModel(context, reading.model, options, reading.open, async (model) => {
    const results: R[] = [];
    const cut = { texts: 0, truncated: 0 };
    for await (const rows of inBatches(readTexts(reading.texts, options.input, reading.pair))) {
      context.signal.throwIfAborted();
      const batch = await reading.run(model, rows);
      for (const [i, result] of batch.entries()) {
        cut.texts++;
        if (result.truncated) cut.truncated++;
        if (asLines) context.output.line(JSON.stringify(result));
        else if (context.output.json) results.push(result);
        else context.output.line(reading.print(result, rows[i]!));
      }
    }
    warnOfTruncation(context, cut.truncated, cut.texts);
    if (context.output.json && !asLines)
      context.output.result({ schema: reading.schema, ...{ model: model.manifest.name, results } }, () => '');
  });
}

/** Says on stderr how many texts were longer than the model reads. */
export function warnOfTruncation(context: Context, truncated: number, texts: number): void {
  if (truncated > 0) context.output.warn(context.messages.truncated(truncated, texts));
}
