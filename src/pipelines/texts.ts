/** Text → row of ids, cut to what the model takes, with a mark when something was cut. */
import type { Encoder } from './encoder.ts';

export interface TextInput {
  readonly text: string;
  readonly pair?: string | undefined;
}

export interface EncodedText {
  readonly ids: number[];
  /** What the model is given as token types. */
  readonly typeIds: number[];
  /** 0 for the text's tokens, 1 for the pair's. */
  readonly segments: number[];
  readonly truncated: boolean;
}

/** On a result whose text was longer than the model reads: what did not fit was cut off. */
export interface Truncated {
  readonly truncated?: true;
}

/** The mark for a result of an encoded text; nothing where nothing was cut. */
export const truncatedMark = ({ truncated }: { readonly truncated: boolean }): Truncated =>
  truncated ? { truncated } : {};

/**
 * Encodes a text or pair for a model. Longer ones lose tokens at the end of the longer part, as the reference truncates.
 * Where token types are the mask and not the segment (Zhouwenwang), a pair has type 0 throughout.
 */
export function encodeText(
  model: Pick<Encoder, 'manifest' | 'maxLength' | 'requireTokenizer'>,
  input: TextInput,
  maxLength = model.maxLength,
): EncodedText {
  const tokenizer = model.requireTokenizer();
  const whole = tokenizer.encodeIds(input.text, { pair: input.pair });
  const truncated = whole.ids.length > maxLength;
  const { ids, typeIds } = truncated
    ? tokenizer.encodeIds(input.text, { pair: input.pair, maxLength, truncation: 'longest-first' })
    : whole;
  return {
    ids,
    typeIds: model.manifest.config.typesAreMask ? ids.map(() => 0) : typeIds,
    segments: typeIds,
    truncated,
  };
}
