/**
 * Submission files of the leaderboards: JSON lines `{"id", "label"}` (CHID: `answer`), one file per task, zipped. Ids
 * are the rows' own, never line numbers (csl's test ids are shuffled, wsc's begin at 1). Names: CLUE's baselines;
 * CLUE 1.1: Fengshenbang-LM fengshen/examples/clue1.1/predict2submit.sh; FewCLUE: resources/fewclue_submit_examples.
 */
import { z } from 'zod';
import { parseWith } from '../util/json.ts';
import type { ClueTask } from './clue-task.ts';
import { parseJsonLines } from './json-lines.ts';

export const BENCHMARKS = ['clue', 'clue1.1', 'fewclue'] as const;
export type Benchmark = (typeof BENCHMARKS)[number];

/** Benchmark → task of ours → name of its file, and the split that is submitted. */
const FILES: Readonly<Record<Benchmark, Readonly<Record<string, { readonly file: string; readonly split: string }>>>> =
  {
    clue: {
      afqmc: { file: 'afqmc_predict.json', split: 'test' },
      tnews: { file: 'tnews_predict.json', split: 'test1.0' },
      iflytek: { file: 'iflytek_predict.json', split: 'test' },
      cmnli: { file: 'cmnli_predict.json', split: 'test' },
      ocnli: { file: 'ocnli_50k_predict.json', split: 'test' },
      wsc: { file: 'cluewsc_predict.json', split: 'test1.0' },
      csl: { file: 'csl_predict.json', split: 'test' },
    },
    'clue1.1': {
      afqmc: { file: 'afqmc_predict.json', split: 'test' },
      tnews: { file: 'tnews11_predict.json', split: 'test' },
      iflytek: { file: 'iflytek_predict.json', split: 'test' },
      ocnli: { file: 'ocnli_50k_predict.json', split: 'test' },
      wsc: { file: 'cluewsc11_predict.json', split: 'test' },
      csl: { file: 'csl_predict.json', split: 'test' },
    },
    fewclue: {
      'fewclue-bustm': { file: 'bustm_predict.json', split: 'test' },
      'fewclue-chid': { file: 'chidf_predict.json', split: 'test' },
      'fewclue-cluewsc': { file: 'cluewscf_predict.json', split: 'test' },
      'fewclue-csldcp': { file: 'csldcp_predict.json', split: 'test' },
      'fewclue-csl': { file: 'cslf_predict.json', split: 'test' },
      'fewclue-eprstmt': { file: 'eprstmt_predict.json', split: 'test' },
      'fewclue-iflytek': { file: 'iflytekf_predict.json', split: 'test' },
      'fewclue-ocnli': { file: 'ocnlif_predict.json', split: 'test' },
      'fewclue-tnews': { file: 'tnewsf_predict.json', split: 'test' },
    },
  };

export interface SubmissionAnswer {
  readonly id: string | number;
  readonly prediction: string;
}

/** Where a task's answers go in a benchmark; undefined for a task it does not have. */
export function submissionPlace(
  benchmark: Benchmark,
  task: string,
): { readonly file: string; readonly split: string } | undefined {
  return Object.hasOwn(FILES[benchmark], task) ? FILES[benchmark][task] : undefined;
}

/** The task whose file this is. */
export function taskOfSubmission(benchmark: Benchmark, file: string): string | undefined {
  return Object.keys(FILES[benchmark]).find((task) => FILES[benchmark][task]!.file === file);
}

/** The lines of a task's file. */
export function submissionLines(task: ClueTask, answers: readonly SubmissionAnswer[]): string {
  return answers.map(({ id, prediction }) => `${JSON.stringify({ id, ...labelField(task, prediction) })}\n`).join('');
}

/** A thing wrong with a file, for people. */
export interface Complaint {
  readonly file: string;
  /** From 1; undefined when it concerns the whole file. */
  readonly line?: number;
  readonly message: string;
}

/**
 * Checks a task's file: JSON lines with the right fields, known labels in the right form, each id once, and where the
 * test split is at hand exactly its ids.
 */
export function lintSubmission(
  task: ClueTask,
  file: string,
  bytes: Uint8Array,
  expectedIds?: readonly (string | number)[],
): Complaint[] {
  const complaints: Complaint[] = [];
  const seen = new Map<string, number>();
  const schema = isAnswer(task) ? ANSWER_ROW : LABEL_ROW;
  const values = task.labels.map(({ value }) => value);
  try {
    for (const { line, value } of parseJsonLines(bytes, file)) {
      const row = tryParse(schema, value, complaints, file, line);
      if (!row) continue;
      const { label } = row;
      if (!values.includes(label)) complaints.push({ file, line, message: `"${label}" is no label of ${task.name}` });
      const former = seen.get(String(row.id));
      if (former !== undefined)
        complaints.push({ file, line, message: `id ${row.id} stands in line ${former} already` });
      else seen.set(String(row.id), line);
    }
  } catch (error) {
    complaints.push({ file, message: error instanceof Error ? error.message : String(error) });
  }
  if (seen.size === 0) complaints.push({ file, message: 'holds no answers' });
  if (expectedIds) complaints.push(...compareIds(file, seen, expectedIds));
  return complaints;
}

// --- internal ---

const ROW_ID = z.union([z.string(), z.number()]);
const LABEL_ROW = z.object({ id: ROW_ID, label: z.string() });
const ANSWER_ROW = z
  .object({ id: ROW_ID, answer: z.number().int() })
  .transform(({ id, answer }) => ({ id, label: String(answer) }));

/** CHID's answer is the number of the candidate. */
const isAnswer = (task: ClueTask): boolean => task.publishedAs === 'chid';

const labelField = (task: ClueTask, prediction: string): object =>
  isAnswer(task) ? { answer: Number(prediction) } : { label: prediction };

function tryParse<T>(
  schema: z.ZodType<T>,
  value: unknown,
  complaints: Complaint[],
  file: string,
  line: number,
): T | undefined {
  try {
    return parseWith(schema, value, `line ${line}`);
  } catch (error) {
    complaints.push({ file, line, message: (error as Error).message });
    return undefined;
  }
}

function compareIds(
  file: string,
  seen: ReadonlyMap<string, number>,
  expected: readonly (string | number)[],
): Complaint[] {
  const wanted = new Set(expected.map(String));
  const missing = [...wanted].filter((id) => !seen.has(id));
  const unknown = [...seen.keys()].filter((id) => !wanted.has(id));
  const list = (ids: readonly string[]): string => `${ids.slice(0, 5).join(', ')}${ids.length > 5 ? ', …' : ''}`;
  return [
    ...(missing.length > 0
      ? [{ file, message: `${missing.length} ids of the test split are missing: ${list(missing)}` }]
      : []),
    ...(unknown.length > 0
      ? [{ file, message: `${unknown.length} ids are not in the test split: ${list(unknown)}` }]
      : []),
  ];
}
