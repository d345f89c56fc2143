import type { ClueTask } from '../../clue-task.ts';
import { PRONOUN } from '../prompts.ts';
import { parseWscRow, wsc } from '../wsc.ts';
import { fewClue } from './splits.ts';

/** CLUEWSC with few examples. */
export const fewCluewsc: ClueTask = {
  ...fewClue('cluewsc'),
  title: { zh: '代词消解（FewCLUE）', en: 'Winograd schema, pronoun resolution (FewCLUE)' },
  labels: wsc.labels,
  droppedLabels: [],
  maxLength: 256,
  devMajority: { label: 'true', count: 488, examples: 976 },
  prompts: PRONOUN,
  parseRow: parseWscRow,
};
