import type { ClueTask } from '../clue-task.ts';
import { parseSentenceRow } from './rows.ts';

/** Which of six poets wrote these two lines? In CLUE's form and free of licence questions: the task of the demo and of the offline tests. */
export const poet: ClueTask = {
  name: 'poet',
  title: { zh: '诗句作者', en: 'poet of a couplet' },
  dataset: 'poet',
  splits: {
    train: 'train.json',
    dev: 'dev.json',
    test: 'test.json',
  },
  labels: [
    { value: '李白', zh: '李白', en: 'Li Bai' },
    { value: '杜甫', zh: '杜甫', en: 'Du Fu' },
    { value: '白居易', zh: '白居易', en: 'Bai Juyi' },
    { value: '李商隐', zh: '李商隐', en: 'Li Shangyin' },
    { value: '苏轼', zh: '苏轼', en: 'Su Shi' },
    { value: '辛弃疾', zh: '辛弃疾', en: 'Xin Qiji' },
  ],
  droppedLabels: [],
  maxLength: 128,
  metric: 'accuracy',
  devMajority: { label: '李白', count: 100, examples: 600 },
  parseRow: parseSentenceRow,
};
