import { z } from 'zod';
import { parseWith } from '../../util/json.ts';
import type { ClueRow, ClueTask } from '../clue-task.ts';
import { KEYWORDS } from './prompts.ts';
import { ROW_ID, ROW_LABEL } from './rows.ts';

/** What FewCLUE's GPT baseline reads of an abstract. */
const PROMPT_ABSTRACT_CHARACTERS = 300;

const CSL_ROW = z.object({ id: ROW_ID, keyword: z.array(z.string()), abst: z.string(), label: ROW_LABEL });

/**
 * CSL: are all these keywords the abstract's own? Each abstract comes with as many right as wrong rows, which some
 * leaderboard entries exploit by ranking an abstract's rows; here every row is judged alone.
 */
export const csl: ClueTask = {
  name: 'csl',
  title: { zh: '论文关键词识别', en: 'keyword recognition in abstracts' },
  dataset: 'csl',
  splits: {
    train: 'train.json',
    dev: 'dev.json',
    test: 'test.json',
  },
  labels: [
    { value: '0', zh: '含伪造关键词', en: 'forged' },
    { value: '1', zh: '关键词均真实', en: 'real' },
  ],
  droppedLabels: [],
  maxLength: 256, // 128 would cut most abstracts
  metric: 'accuracy',
  devMajority: { label: '0', count: 1500, examples: 3000 },
  prompts: KEYWORDS,
  parseRow: parseCslRow,
};

/** `{keyword, abst}` → [CLS] the keywords joined by spaces [SEP] abstract [SEP]: the keywords come first and survive truncation. */
export function parseCslRow(value: unknown, where: string): ClueRow {
  const row = parseWith(CSL_ROW, value, where);
  return {
    id: row.id,
    text: row.keyword.join(' '),
    pair: row.abst,
    label: row.label,
    fields: {
      keywords: row.keyword.join('，'),
      abst: row.abst,
      abst300: [...row.abst].slice(0, PROMPT_ABSTRACT_CHARACTERS).join(''),
    },
  };
}
