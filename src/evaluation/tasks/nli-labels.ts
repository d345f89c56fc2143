import type { ClueLabel } from '../clue-task.ts';

/** Labels of the two inference tasks in the order of CLUE's PyTorch baseline; PaddleNLP and the Hub use other orders. */
export const NLI_LABELS: readonly ClueLabel[] = [
  { value: 'contradiction', zh: '矛盾', en: 'contradiction' },
  { value: 'entailment', zh: '蕴含', en: 'entailment', aliases: ['蕴涵'] },
  { value: 'neutral', zh: '中立', en: 'neutral', aliases: ['自然', '无关'] },
];
