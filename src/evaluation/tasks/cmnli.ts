import type { ClueTask } from '../clue-task.ts';
import { NLI_LABELS } from './nli-labels.ts';
import { INFERENCE } from './prompts.ts';
import { parsePairRow } from './rows.ts';

/** CMNLI: XNLI and MNLI in Chinese. The official dev file also holds rows labelled "-", which are not scored. */
export const cmnli: ClueTask = {
  name: 'cmnli',
  title: { zh: '中文自然语言推理', en: 'Chinese natural language inference' },
  dataset: 'cmnli',
  splits: {
    train: 'train.json',
    dev: 'dev.json',
    test: 'test.json',
  },
  labels: NLI_LABELS,
  droppedLabels: ['-'],
  maxLength: 128,
  metric: 'accuracy',
  devMajority: { label: 'entailment', count: 4277, examples: 12241 },
  prompts: INFERENCE,
  parseRow: parsePairRow,
};
