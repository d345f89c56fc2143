/** text-classification: a fine-tuned head's labels for a text or a pair of texts. */
import { argmax, softmax, topK } from '../tensor/math.ts';
import { UnsupportedError } from '../util/errors.ts';
import { type Encoder, maskOutputOf } from './encoder.ts';
import { encodeText, type TextInput, type Truncated, truncatedMark } from './texts.ts';

export interface LabelScore {
  readonly label: string;
  /** Index of the logit. */
  readonly index: number;
  readonly probability: number;
  readonly logit: number;
}

export interface Classification extends Truncated {
  /** The likeliest label. */
  readonly label: string;
  /** Likeliest first. */
  readonly labels: readonly LabelScore[];
}

/** Labels of each input with their probabilities. Throws UnsupportedError when the model has no classifier. */
export async function classify(
  model: Encoder,
  inputs: readonly TextInput[],
  signal?: AbortSignal,
): Promise<Classification[]> {
  const names = requireLabels(model);
  const rows = inputs.map((input) => encodeText(model, input));
  const outputs = await model.run(rows, ['class_logits'], signal);
  return outputs.map(([output], i) => {
    const logits = output!.values;
    const probabilities = softmax(logits);
    const labels = topK(logits, logits.length).map((index) => ({
      label: names[index] ?? `LABEL_${index}`,
      index,
      probability: probabilities[index]!,
      logit: logits[index]!,
    }));
    return { label: names[argmax(logits)]!, labels, ...truncatedMark(rows[i]!) };
  });
}

/** Class names in logit order. Throws UnsupportedError, which says what else the model can do. */
export function requireLabels(model: Encoder): readonly string[] {
  if (model.manifest.labels && model.has('class_logits')) return model.manifest.labels;
  const can = maskOutputOf(model.outputs) ? 'fill masks (fsb fill-mask) and embed (fsb embed)' : 'embed (fsb embed)';
  throw new UnsupportedError(`${model.manifest.name} has no classification head; it can ${can}`, {
    code: 'no-classifier',
    hint: 'take a fine-tuned derivative (fsb list --task text-classification), or ask among labels of your own: --labels a,b,c',
  });
}
