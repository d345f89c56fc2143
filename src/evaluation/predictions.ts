/** The predictions file: one JSON line per example, in file order, so that two models' answers can be compared row by row. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { isSystemError, NotFoundError } from '../util/errors.ts';
import { writeTextFile } from '../util/files.ts';
import { parseWith } from '../util/json.ts';
import { parseJsonLines } from './json-lines.ts';
import { exactMatch } from './span-metrics.ts';

export interface Prediction {
  /** The example's id, of the type it has in the data set. */
  readonly id: string | number;
  /** The right label; null where the data set has none. */
  readonly label: string | null;
  readonly prediction: string;
  /** The logit of each label, in the order of the run's `labels`. */
  readonly scores: readonly number[];
  /** Open questions: every answer that counts as right. */
  readonly answers?: readonly string[] | undefined;
}

/** float32 holds 7 to 8 decimal digits; the rest of a double is noise. */
const SCORE_DIGITS = 7;

/** Whether an answer counts as right. */
export function isRight({ label, prediction, answers }: Prediction): boolean {
  return answers ? exactMatch(answers, prediction) : prediction === label;
}

/** One line of the file, newline included. */
export function formatPrediction({ id, label, prediction, scores, answers }: Prediction): string {
  const rounded = scores.map((score) => Number(score.toPrecision(SCORE_DIGITS)));
  return `${JSON.stringify({ id, label, prediction, scores: rounded, answers })}\n`;
}

/** Writes the file whole or not at all. Throws ResourceError when the disk is full. */
export async function writePredictions(file: string, predictions: readonly Prediction[]): Promise<void> {
  await writeTextFile(file, lines(predictions));
}

/** Reads a predictions file. Throws NotFoundError, or IntegrityError that names file and line. */
export async function readPredictions(file: string): Promise<Prediction[]> {
  const bytes = await readFile(file).catch((error: unknown) => {
    if (isSystemError(error, 'ENOENT')) throw new NotFoundError(`${file} does not exist`, { code: 'file-not-found' });
    throw error;
  });
  return [...parseJsonLines(bytes, file)].map(({ line, value }) =>
    parseWith(predictionSchema, value, `${file}, line ${line}`),
  );
}

// --- internal ---

const predictionSchema = z.object({
  id: z.union([z.string(), z.number()]),
  label: z.string().nullable(),
  prediction: z.string(),
  scores: z.array(z.number()),
  answers: z.array(z.string()).optional(),
});

function* lines(predictions: readonly Prediction[]): Generator<string> {
  for (const prediction of predictions) yield formatPrediction(prediction);
}
