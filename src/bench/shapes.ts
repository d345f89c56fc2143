/** Which batches are run: what was asked for, or what shows a model's speed best. */
import { UsageError } from '../util/errors.ts';
import type { ModelKind } from './result.ts';

export interface Shape {
  readonly batch: number;
  readonly sequence: number;
}

/** The shapes of performance tables in the field: one sentence, a few, many. */
const ENCODER_DEFAULTS: readonly Shape[] = [
  { batch: 1, sequence: 128 },
  { batch: 8, sequence: 128 },
  { batch: 32, sequence: 64 },
];

const DECODER_DEFAULTS: readonly Shape[] = [{ batch: 1, sequence: 128 }];

export interface ShapeOptions {
  readonly kind: ModelKind;
  readonly batches?: readonly number[] | undefined;
  readonly sequences?: readonly number[] | undefined;
  /** Most tokens that the model takes. */
  readonly maxLength: number;
  /** Tokens that are generated after the sequence, in a decoder's own positions. */
  readonly newTokens: number;
}

/**
 * Batches × sequences. Defaults are shortened to what the model takes; a length that was asked for and does not fit is
 * a UsageError.
 */
export function planShapes({ kind, batches, sequences, maxLength, newTokens }: ShapeOptions): Shape[] {
  const longest = kind === 'decoder' ? maxLength - newTokens : maxLength;
  if (longest < 1)
    throw new UsageError(
      `--new-tokens ${newTokens}: the model takes at most ${maxLength} tokens, the prompt included`,
      {
        code: 'too-long',
      },
    );
  const tooLong = sequences?.find((sequence) => sequence > longest);
  if (tooLong !== undefined)
    throw new UsageError(
      `--sequence ${tooLong}: the model takes at most ${longest} tokens${kind === 'decoder' ? ` before ${newTokens} new ones` : ''}`,
      {
        code: 'too-long',
      },
    );
  const defaults = kind === 'encoder' ? ENCODER_DEFAULTS : DECODER_DEFAULTS;
  if (!batches && !sequences)
    return defaults.map(({ batch, sequence }) => ({ batch, sequence: Math.min(sequence, longest) }));
  return (sequences ?? [Math.min(128, longest)]).flatMap((sequence) =>
    (batches ?? [1]).map((batch) => ({ batch, sequence })),
  );
}
