/** A classification head as an evaluation sees it: an Encoder behind the HeadScorer interface. */
import { requireLabels } from '../pipelines/classify.ts';
import type { Encoder } from '../pipelines/encoder.ts';
import { encodeText } from '../pipelines/texts.ts';
import type { HeadScorer } from './head-scorer.ts';

/** Throws UnsupportedError when the model has no classification head or no tokenizer. */
export function encoderScorer(model: Encoder): HeadScorer {
  const labels = requireLabels(model);
  return {
    labels,
    encode: (example, maxLength) => encodeText(model, example, Math.min(maxLength, model.maxLength)),
    async score(batch, signal) {
      const rows = await model.run(batch, ['class_logits'], signal);
      return rows.map(([logits]) => logits!.values);
    },
  };
}
