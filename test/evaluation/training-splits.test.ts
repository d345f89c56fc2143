import { describe, expect, it } from 'vitest';
import { CLUE_TASKS, FEWCLUE_TASKS } from '../../src/evaluation/tasks/index.ts';
import { countOverlap, defaultTrainSplit, foldsOf, methodsFor } from '../../src/evaluation/training-splits.ts';

const few = FEWCLUE_TASKS['fewclue-tnews'];

describe('what a probe is trained on', () => {
  it('is the train split, for FewCLUE all folds together', () => {
    expect([CLUE_TASKS.ocnli, few, { ...few, splits: {} }].map(defaultTrainSplit)).toEqual([
      'train',
      'train_few_all',
      undefined,
    ]);
  });

  it('for few-shot is each fold, with its own dev split', () => {
    expect(foldsOf(few).map(({ train, dev }) => `${train} ${dev}`)).toEqual(
      [0, 1, 2, 3, 4].map((k) => `train_${k} dev_${k}`),
    );
    expect(foldsOf(few, [3])).toEqual([{ train: 'train_3', dev: 'dev_3' }]);
    expect(foldsOf({ ...few, splits: { train_0: 'a' } })).toEqual([{ train: 'train_0', dev: undefined }]);
    expect(() => foldsOf(few, [5])).toThrow(/no fold 5; its folds are 0, 1, 2, 3, 4/);
    expect(() => foldsOf(CLUE_TASKS.afqmc)).toThrow(expect.objectContaining({ code: 'no-folds', exitCode: 2 }));
  });

  it('shares examples with what is scored when text, pair and candidates are the same', () => {
    const row = (text: string, pair: string) => ({ id: 0, text, pair, label: '0' });
    expect(countOverlap([row('a', 'b'), row('b', 'a'), row('a', 'b')], [row('a', 'b'), row('c', 'd')])).toBe(2);
  });
});

it('a task names the methods that it has what is needed for', () => {
  expect(methodsFor(few)).toEqual(['head', 'cloze', 'lm', 'infill', 'unimc', 'nli', 'probe', 'few-shot']);
  expect(methodsFor({ ...CLUE_TASKS.afqmc, prompts: {}, splits: { dev: 'dev.json' } })).toEqual(['head']);
});
