import type { ClueTask } from '../../clue-task.ts';
import { SAME_MEANING } from '../prompts.ts';
import { parsePairRow } from '../rows.ts';
import { fewClue } from './splits.ts';

/** BUSTM: do two utterances to a voice assistant mean the same? */
export const fewBustm: ClueTask = {
  ...fewClue('bustm'),
  title: { zh: '对话短文本语义匹配', en: 'matching of short utterances' },
  labels: [
    { value: '0', zh: '不同', en: 'different', aliases: ['不相似', 'not similarity', 'not similar', 'dissimilar'] },
    { value: '1', zh: '相同', en: 'same', aliases: ['相似', 'similarity', 'similar'] },
  ],
  droppedLabels: [],
  maxLength: 128,
  devMajority: { label: '0', count: 886, examples: 1772 },
  prompts: SAME_MEANING,
  parseRow: parsePairRow,
};
