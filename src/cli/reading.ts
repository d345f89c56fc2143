/** Runs a reading command: rows in, results out in order, as one document, as text, or as JSON lines. */
import type { Encoder } from '../pipelines/encoder.ts';
import type { Context } from './context.ts';
import { readTexts, type TextRow } from './rows.ts';
import { inBatches, type ReadingOptions, withEncoder } from './running.ts';

export interface Reading<R> {
  readonly schema: string;
  readonly model: string;
  readonly texts: readonly string[];
  readonly pair?: string | undefined;
  /** Results of a batch of rows, in their order. */
  readonly run: (model: Encoder, rows: TextRow[]) => Promise<R[]>;
  /** A result as text for people. */
  readonly print: (result: R, row: TextRow) => string;
}

/** Prints results as they come with --jsonl or --input, else at the end. */
export async function readAndPrint<R extends object>(
  context: Context,
  options: ReadingOptions,
  reading: Reading<R>,
): Promise<void> {
  const asLines = options.jsonl || options.input !== undefined;
  await withEncoder(context, reading.model, options, async (model) => {
    const results: R[] = [];
    for await (const rows of inBatches(readTexts(reading.texts, options.input, reading.pair))) {
      context.signal.throwIfAborted();
      const batch = await reading.run(model, rows);
      for (const [i, result] of batch.entries()) {
        if (asLines) context.output.line(JSON.stringify(result));
        else if (context.output.json) results.push(result);
        else context.output.line(reading.print(result, rows[i]!));
      }
    }
    if (context.output.json && !asLines)
      context.output.result({ schema: reading.schema, ...{ model: model.manifest.name, results } }, () => '');
  });
}
