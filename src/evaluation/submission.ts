/**
 * The content of a submission file: written from answers, and checked. Ids are the rows' own, never line numbers (csl's
 * test ids are shuffled, wsc's begin at 1). Lines stand in the order of the test file: CLUE's scorer reads nothing but
 * their labels.
 */
import { z } from 'zod';
import { messageOf } from '../util/errors.ts';
import { parseWith } from '../util/json.ts';
import type { ClueTask } from './clue-task.ts';
import { parseJsonDocument, parseJsonLines } from './json-lines.ts';
import type { SubmissionForm } from './submission-files.ts';

export interface SubmissionAnswer {
  readonly id: string | number;
  readonly prediction: string;
}

/** A task's file. `answers` are in the order of the test file. */
export function submissionText(form: SubmissionForm, answers: readonly SubmissionAnswer[]): string {
  if (isById(form)) {
    const value = (prediction: string): unknown => (form === 'texts-by-id' ? prediction : Number(prediction));
    return `${JSON.stringify(Object.fromEntries(answers.map(({ id, prediction }) => [id, value(prediction)])), null, 1)}\n`;
  }
  return answers.map(({ id, prediction }) => `${JSON.stringify({ id, ...labelField(form, prediction) })}\n`).join('');
}

/** A thing wrong with a file, for people. */
export interface Complaint {
  readonly file: string;
  /** From 1; undefined when it concerns the whole file. */
  readonly line?: number;
  readonly message: string;
}

export interface LintOptions {
  readonly task: ClueTask;
  readonly form: SubmissionForm;
  /** Name of the file, for the complaints. */
  readonly file: string;
  readonly bytes: Uint8Array;
  /** Ids of the test split in its order, where it is at hand. */
  readonly expectedIds?: readonly (string | number)[] | undefined;
}

/**
 * Checks a task's file: the right form and fields, known labels in the right type, each id once, and where the test
 * split is at hand exactly its ids in its order.
 */
export function lintSubmission({ task, form, file, bytes, expectedIds }: LintOptions): Complaint[] {
  const complaints: Complaint[] = [];
  const complain = (message: string, line?: number): void =>
    void complaints.push({ file, ...(line !== undefined && { line }), message });
  const values = task.labels.map(({ value }) => value);
  const seen = new Map<string, number>();
  try {
    for (const { line, id, label } of isById(form)
      ? readById(form, bytes, file)
      : readLines(form, bytes, file, complain)) {
      if (values.length > 0 && !values.includes(label)) complain(`"${label}" is no label of ${task.name}`, line);
      if (values.length === 0 && label === '') complain(`${id}: the answer is empty`, line);
      const former = seen.get(id);
      if (former !== undefined) complain(`id ${id} stands in line ${former} already`, line);
      else seen.set(id, line ?? 0);
    }
  } catch (error) {
    complain(messageOf(error));
  }
  if (seen.size === 0) complain('holds no answers');
  if (expectedIds) compareIds([...seen.keys()], expectedIds.map(String), !isById(form), complain);
  return complaints;
}

// --- internal ---

const ROW_ID = z.union([z.string(), z.number()]);
const CANDIDATE = z.number().int().nonnegative();
const LINES = {
  labels: z.object({ id: ROW_ID, label: z.string() }).transform(({ id, label }) => ({ id, label })),
  numbers: z.object({ id: ROW_ID, label: CANDIDATE }).transform(({ id, label }) => ({ id, label: String(label) })),
  answers: z.object({ id: ROW_ID, answer: CANDIDATE }).transform(({ id, answer }) => ({ id, label: String(answer) })),
};
const BY_ID = {
  'texts-by-id': z.record(z.string(), z.string()),
  'numbers-by-id': z.record(z.string(), CANDIDATE),
};

type FormById = keyof typeof BY_ID;
type FormOfLines = keyof typeof LINES;

interface ReadAnswer {
  readonly line?: number;
  readonly id: string;
  readonly label: string;
}

function isById(form: SubmissionForm): form is FormById {
  return form in BY_ID;
}

function labelField(form: FormOfLines, prediction: string): object {
  if (form === 'answers') return { answer: Number(prediction) };
  return { label: form === 'numbers' ? Number(prediction) : prediction };
}

function* readLines(
  form: FormOfLines,
  bytes: Uint8Array,
  file: string,
  complain: (message: string, line?: number) => void,
): Generator<ReadAnswer> {
  for (const { line, value } of parseJsonLines(bytes, file)) {
    let row: { readonly id: string | number; readonly label: string };
    try {
      row = parseWith(LINES[form], value, `line ${line}`);
    } catch (error) {
      complain(messageOf(error), line);
      continue;
    }
    yield { line, id: String(row.id), label: row.label };
  }
}

function* readById(form: FormById, bytes: Uint8Array, file: string): Generator<ReadAnswer> {
  const schema: z.ZodType<Readonly<Record<string, string | number>>> = BY_ID[form];
  const document = parseWith(schema, parseJsonDocument(bytes, file), file);
  for (const [id, label] of Object.entries(document)) yield { id, label: String(label) };
}

function compareIds(
  found: readonly string[],
  expected: readonly string[],
  isOrdered: boolean,
  complain: (message: string) => void,
): void {
  const [has, wants] = [new Set(found), new Set(expected)];
  const missing = [...wants].filter((id) => !has.has(id));
  const unknown = found.filter((id) => !wants.has(id));
  const list = (ids: readonly string[]): string => `${ids.slice(0, 5).join(', ')}${ids.length > 5 ? ', …' : ''}`;
  if (missing.length > 0) complain(`${missing.length} ids of the test split are missing: ${list(missing)}`);
  if (unknown.length > 0) complain(`${unknown.length} ids are not in the test split: ${list(unknown)}`);
  if (!isOrdered || missing.length + unknown.length > 0) return;
  const moved = found.findIndex((id, i) => id !== expected[i]);
  if (moved >= 0)
    complain(
      `ids do not stand in the order of the test split, by which the leaderboard compares: answer ${moved + 1} has id ${found[moved]}, expected ${expected[moved]}`,
    );
}
