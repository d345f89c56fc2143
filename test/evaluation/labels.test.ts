import { describe, expect, it } from 'vitest';
import { mapLabels } from '../../src/evaluation/labels.ts';
import { CLUE_TASKS } from '../../src/evaluation/tasks/index.ts';

const { afqmc, iflytek, ocnli, tnews, wsc } = CLUE_TASKS;

describe('mapLabels', () => {
  it('finds the column of each label of the task in the order of the model', () => {
    // Erlangshen-*-NLI: 0 CONTRADICTION, 1 NEUTRAL, 2 ENTAILMENT; the task: contradiction, entailment, neutral
    expect(mapLabels(ocnli, ['CONTRADICTION', 'NEUTRAL', 'ENTAILMENT'])).toEqual([0, 2, 1]);
    expect(mapLabels(ocnli, ['neutral', 'entailment', 'contradiction'])).toEqual([2, 1, 0]);
    expect(mapLabels(ocnli, ['矛盾', '自然', '蕴含'])).toEqual([0, 2, 1]);
  });

  it('knows the spellings of published classifiers', () => {
    expect(mapLabels(afqmc, ['not similarity', 'similarity'])).toEqual([0, 1]);
    expect(mapLabels(afqmc, ['Similar', 'Not_Similar'])).toEqual([1, 0]);
    expect(mapLabels(wsc, ['False', 'True'])).toEqual([1, 0]);
    const names = tnews.labels.map((label) => `news_${label.en}`).reverse();
    expect(mapLabels(tnews, names)).toEqual(names.map((_, i) => 14 - i));
  });

  it('reads iflytek by number or by category', () => {
    const identity = iflytek.labels.map((_, i) => i);
    expect(
      mapLabels(
        iflytek,
        iflytek.labels.map((label) => label.value),
      ),
    ).toEqual(identity);
    expect(
      mapLabels(
        iflytek,
        iflytek.labels.map((label) => label.zh),
      ),
    ).toEqual(identity);
  });

  it('does not guess the order of unnamed labels', () => {
    expect(() => mapLabels(ocnli, ['LABEL_0', 'LABEL_1', 'LABEL_2'])).toThrow(
      expect.objectContaining({ code: 'labels-unnamed', exitCode: 8, hint: expect.stringContaining('baseline') }),
    );
  });

  it('takes the order that is given: the baseline or a list', () => {
    expect(mapLabels(ocnli, ['LABEL_0', 'LABEL_1', 'LABEL_2'], 'baseline')).toEqual([0, 1, 2]);
    expect(mapLabels(ocnli, ['LABEL_0', 'LABEL_1', 'LABEL_2'], ['entailment', 'contradiction', 'neutral'])).toEqual([
      1, 0, 2,
    ]);
    expect(mapLabels(afqmc, ['0', '1'], ['1', '0'])).toEqual([1, 0]);
  });

  it('refuses an order that is not a permutation of the labels', () => {
    for (const order of [
      ['entailment', 'neutral'],
      ['entailment', 'entailment', 'neutral'],
      ['a', 'b', 'c'],
    ])
      expect(() => mapLabels(ocnli, ['x', 'y', 'z'], order)).toThrow(
        expect.objectContaining({ code: 'label-order', exitCode: 2 }),
      );
  });

  it('refuses a classifier of another size and shows both', () => {
    expect(() => mapLabels(ocnli, ['0', '1'])).toThrow(
      "ocnli has 3 labels (contradiction, entailment, neutral); the model's classifier has 2 (0, 1)",
    );
    expect(() => mapLabels(iflytek, ['0', '1'])).toThrow(/iflytek has 119 labels \(0, 1, .*, 19, … 119 in all\)/);
  });

  it('refuses labels of another task and labels that repeat', () => {
    expect(() => mapLabels(afqmc, ['Negative', 'Positive'])).toThrow(
      "expected the labels of afqmc (0, 1); the model's are Negative, Positive",
    );
    expect(() => mapLabels(afqmc, ['similar', '1'])).toThrow(expect.objectContaining({ code: 'labels-differ' }));
  });
});
