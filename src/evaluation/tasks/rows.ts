/**
 * The two plain row forms of CLUE, one sentence or two, as its baselines read them
 * (CLUEbenchmark/CLUE: baselines/models_pytorch/classifier_pytorch/processors/clue.py).
 */
import { z } from 'zod';
import { parseWith } from '../../util/json.ts';
import type { ClueRow } from '../clue-task.ts';

/** Ids are numbers or strings; train and dev files mostly have none. */
export const ROW_ID = z.union([z.string(), z.number()]).optional();

/** CLUE writes labels as strings, FewCLUE writes some as integers; test files have none. */
export const ROW_LABEL = z.union([z.string(), z.number().int()]).transform(String).optional();

const SENTENCE_ROW = z.object({ id: ROW_ID, sentence: z.string(), label: ROW_LABEL });
const PAIR_ROW = z.object({ id: ROW_ID, sentence1: z.string(), sentence2: z.string(), label: ROW_LABEL });

/** `{sentence}` → [CLS] sentence [SEP] */
export function parseSentenceRow(value: unknown, where: string): ClueRow {
  const row = parseWith(SENTENCE_ROW, value, where);
  return { id: row.id, text: row.sentence, label: row.label };
}

/** `{sentence1, sentence2}` → [CLS] sentence1 [SEP] sentence2 [SEP] */
export function parsePairRow(value: unknown, where: string): ClueRow {
  const row = parseWith(PAIR_ROW, value, where);
  return { id: row.id, text: row.sentence1, pair: row.sentence2, label: row.label };
}
