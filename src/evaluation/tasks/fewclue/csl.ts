import type { ClueTask } from '../../clue-task.ts';
import { csl, parseCslRow } from '../csl.ts';
import { KEYWORDS } from '../prompts.ts';
import { fewClue } from './splits.ts';

/** CSL with few examples; its test_public lies inside the dev set of CSL. */
export const fewCsl: ClueTask = {
  ...fewClue('csl'),
  title: { zh: '论文关键词识别（FewCLUE）', en: 'keyword recognition in abstracts (FewCLUE)' },
  labels: csl.labels,
  droppedLabels: [],
  maxLength: 256,
  devMajority: { label: '0', count: 1419, examples: 2838 },
  prompts: KEYWORDS,
  parseRow: parseCslRow,
};
