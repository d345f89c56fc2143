import type { ClueTask } from '../../clue-task.ts';
import { newsPrompts, wordsOf } from '../prompts.ts';
import { parseSentenceRow } from '../rows.ts';
import { TNEWS_LABELS } from '../tnews.ts';
import { fewClue } from './splits.ts';

/** TNEWS with few examples. Labels are integers in its rows. */
export const fewTnews: ClueTask = {
  ...fewClue('tnews'),
  title: { zh: '今日头条新闻标题分类（FewCLUE）', en: 'headline classification (FewCLUE)' },
  labels: TNEWS_LABELS,
  droppedLabels: [],
  maxLength: 128,
  devMajority: { label: '100', count: 134, examples: 2010 },
  prompts: newsPrompts(wordsOf(TNEWS_LABELS)),
  parseRow: parseSentenceRow,
};
