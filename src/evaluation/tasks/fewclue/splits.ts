/** What the nine FewCLUE tasks share: five small folds, their union, a labelled and an unlabelled test. */
import type { ClueTask } from '../../clue-task.ts';

const FOLDS = [0, 1, 2, 3, 4] as const;

/** Everything of a FewCLUE task that follows from its name. `folder` as in fewclue.zip. */
export function fewClue(folder: string) {
  const file = (base: string): string => `${folder}/${base}.json`;
  return {
    name: `fewclue-${folder}`,
    benchmark: 'fewclue',
    publishedAs: folder,
    dataset: 'fewclue',
    defaultSplit: 'test_public',
    splits: {
      ...Object.fromEntries(FOLDS.map((k) => [`train_${k}`, file(`train_${k}`)])),
      ...Object.fromEntries(FOLDS.map((k) => [`dev_${k}`, file(`dev_${k}`)])),
      train_few_all: file('train_few_all'),
      dev_few_all: file('dev_few_all'),
      test_public: file('test_public'),
      test: file('test'),
    },
    metric: 'accuracy',
  } as const satisfies Partial<ClueTask>;
}
