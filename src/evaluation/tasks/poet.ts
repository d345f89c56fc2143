import type { ClueLabel, ClueTask } from '../clue-task.ts';
import { wordsOf } from './prompts.ts';
import { parseSentenceRow } from './rows.ts';

const LABELS: readonly ClueLabel[] = [
  { value: '李白', zh: '李白', en: 'Li Bai' },
  { value: '杜甫', zh: '杜甫', en: 'Du Fu' },
  { value: '白居易', zh: '白居易', en: 'Bai Juyi' },
  { value: '李商隐', zh: '李商隐', en: 'Li Shangyin' },
  { value: '苏轼', zh: '苏轼', en: 'Su Shi' },
  { value: '辛弃疾', zh: '辛弃疾', en: 'Xin Qiji' },
];

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
  labels: LABELS,
  droppedLabels: [],
  maxLength: 128,
  metric: 'accuracy',
  devMajority: { label: '李白', count: 100, examples: 600 },
  prompts: {
    // names have two or three characters; to share the masks of a cloze, their last two stand for them
    cloze: { pattern: '{text}{mask}作。', words: wordsOf(LABELS, ['李白', '杜甫', '居易', '商隐', '苏轼', '弃疾']) },
    lm: { prompt: '{text}作者是', words: wordsOf(LABELS) },
    lmLabelFirst: { prompt: '{label}：', continuation: '{text}', words: wordsOf(LABELS) },
    infill: { source: '{text}作者是{mask}。', words: wordsOf(LABELS) },
    unimc: { question: '这句诗的作者是？', words: wordsOf(LABELS) },
    nli: { hypothesis: '这句诗的作者是{label}', words: wordsOf(LABELS) },
  },
  parseRow: parseSentenceRow,
};
