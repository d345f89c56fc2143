/** The fine-tuned head that a task needs: classes, candidates, or a span of the text. */
import type { Encoder } from '../../pipelines/encoder.ts';
import type { ClueTask } from '../clue-task.ts';
import { encoderScorer } from '../encoder-scorer.ts';
import type { LabelOrder } from '../labels.ts';
import { choiceMethod } from './choice.ts';
import { headMethod } from './head.ts';
import type { Method } from './method.ts';
import { spanMethod } from './span.ts';

export interface FineTunedOptions {
  readonly labelOrder?: LabelOrder | undefined;
  /** Longest input in tokens. @default the task's */
  readonly maxLength?: number | undefined;
}

/** Throws UnsupportedError when the model has another head than the task needs. */
export function fineTunedMethod(model: Encoder, task: ClueTask, { labelOrder, maxLength }: FineTunedOptions): Method {
  if (task.head === 'span') return spanMethod(model, task, maxLength);
  if (task.head === 'choice') return choiceMethod(model, task, maxLength);
  return headMethod({ task, scorer: encoderScorer(model), labelOrder, maxLength });
}
