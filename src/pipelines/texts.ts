/** Text → row of ids, cut to what the model takes, with a note when something was cut. */
import type { Tokenizer } from '../tokenizers/tokenizer.ts';
import type { Row } from './encoder.ts';

export interface TextInput {
  readonly text: string;
  readonly pair?: string | undefined;
}

/** Encodes a text or pair. Longer ones lose tokens at the end of the longer part, as the reference truncates. */
export function encodeText(
  tokenizer: Tokenizer,
  input: TextInput,
  maxLength: number,
): Row & { readonly truncated: boolean } {
  const pair = input.pair === undefined ? {} : { pair: input.pair };
  const whole = tokenizer.encodeIds(input.text, pair);
  if (whole.ids.length <= maxLength) return { ...whole, truncated: false };
  return { ...tokenizer.encodeIds(input.text, { ...pair, maxLength, truncation: 'longest-first' }), truncated: true };
}
