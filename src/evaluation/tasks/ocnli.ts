import type { ClueTask } from '../clue-task.ts';
import { NLI_LABELS } from './nli-labels.ts';
import { INFERENCE } from './prompts.ts';
import { parsePairRow } from './rows.ts';

/** OCNLI: inference over sentences written in Chinese. Rows labelled "-" had no majority among the annotators. */
export const ocnli: ClueTask = {
  name: 'ocnli',
  title: { zh: '原生中文自然语言推理', en: 'original Chinese natural language inference' },
  dataset: 'ocnli',
  splits: {
    train: 'train.50k.json',
    'train.30k': 'train.30k.json',
    'train.10k': 'train.10k.json',
    'train.3k': 'train.3k.json',
    dev: 'dev.json',
    test: 'test.json',
  },
  labels: NLI_LABELS,
  droppedLabels: ['-'],
  maxLength: 128,
  metric: 'accuracy',
  devMajority: { label: 'neutral', count: 1103, examples: 2950 },
  prompts: INFERENCE,
  parseRow: parsePairRow,
};
