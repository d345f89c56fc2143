import type { ClueTask } from '../../clue-task.ts';
import { IFLYTEK_LABELS, IFLYTEK_PROMPTS } from '../iflytek.ts';
import { parseSentenceRow } from '../rows.ts';
import { fewClue } from './splits.ts';

/** IFLYTEK with few examples. Labels are integers in its rows. */
export const fewIflytek: ClueTask = {
  ...fewClue('iflytek'),
  title: { zh: '应用描述长文本分类（FewCLUE）', en: 'application description classification (FewCLUE)' },
  labels: IFLYTEK_LABELS,
  droppedLabels: [],
  maxLength: 128,
  devMajority: { label: '0', count: 15, examples: 1749 },
  prompts: IFLYTEK_PROMPTS,
  parseRow: parseSentenceRow,
};
