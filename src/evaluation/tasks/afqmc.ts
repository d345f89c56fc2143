import type { ClueTask } from '../clue-task.ts';
import { SAME_MEANING } from './prompts.ts';
import { parsePairRow } from './rows.ts';

/** AFQMC: do two customers' questions mean the same? */
export const afqmc: ClueTask = {
  name: 'afqmc',
  title: { zh: '蚂蚁金融语义相似度', en: 'Ant Financial question matching' },
  dataset: 'afqmc',
  splits: {
    train: 'train.json',
    dev: 'dev.json',
    test: 'test.json',
  },
  labels: [
    { value: '0', zh: '不同', en: 'different', aliases: ['不相似', 'not similarity', 'not similar', 'dissimilar'] },
    { value: '1', zh: '相同', en: 'same', aliases: ['相似', 'similarity', 'similar'] },
  ],
  droppedLabels: [],
  maxLength: 128,
  metric: 'accuracy',
  devMajority: { label: '0', count: 2978, examples: 4316 },
  prompts: SAME_MEANING,
  parseRow: parsePairRow,
};
