import type { ClueTask } from '../../clue-task.ts';
import { NLI_LABELS } from '../nli-labels.ts';
import { INFERENCE } from '../prompts.ts';
import { parsePairRow } from '../rows.ts';
import { fewClue } from './splits.ts';

/** OCNLI with few examples; its test_public lies inside the dev set of OCNLI. */
export const fewOcnli: ClueTask = {
  ...fewClue('ocnli'),
  title: { zh: '原生中文自然语言推理（FewCLUE）', en: 'original Chinese natural language inference (FewCLUE)' },
  labels: NLI_LABELS,
  droppedLabels: ['-'],
  maxLength: 256,
  devMajority: { label: 'neutral', count: 840, examples: 2520 },
  prompts: INFERENCE,
  parseRow: parsePairRow,
};
