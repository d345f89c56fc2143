import type { ClueTask } from '../../clue-task.ts';
import { parseSentenceRow } from '../rows.ts';
import { fewClue } from './splits.ts';

/** EPRSTMT: is a product review kind or unkind? */
export const fewEprstmt: ClueTask = {
  ...fewClue('eprstmt'),
  title: { zh: '电商评论情感分析', en: 'sentiment of product reviews' },
  labels: [
    { value: 'Negative', zh: '负面', en: 'negative' },
    { value: 'Positive', zh: '正面', en: 'positive' },
  ],
  droppedLabels: [],
  maxLength: 128,
  devMajority: { label: 'Positive', count: 305, examples: 610 },
  prompts: {
    cloze: { pattern: '{mask}满意。{text}', words: { Negative: '不', Positive: '很' } },
    lm: { prompt: '{text}这句话的情感是', words: { Negative: '不满意', Positive: '很满意' } },
    infill: { source: '{mask}满意。{text}', words: { Negative: '不', Positive: '很' } },
    unimc: { question: '这条评论的情感是？', words: { Negative: '不满意', Positive: '满意' } },
    nli: { hypothesis: '这条评论表示{label}', words: { Negative: '不满意', Positive: '满意' } },
  },
  parseRow: parseSentenceRow,
};
