/** Filling encodings with the padding token, one alone or a batch to one length. */
import { UsageError } from '../util/errors.ts';
import type { Encoding, Side, SpecialToken } from './tokenizer.ts';

export interface PaddingOptions {
  readonly pad: SpecialToken;
  /** Length to reach: a number of tokens, or that of the longest encoding. Longer ones stay as they are. @default "longest" */
  readonly to?: number | 'longest' | undefined;
  /** The length is rounded up to a multiple of this. @default 1 */
  readonly multipleOf?: number | undefined;
  /** @default "right" */
  readonly side?: Side | undefined;
}

/** Pads a batch. Padding has type 0, mask 0 and offset [0, 0]. Throws UsageError for lengths that are no positive integers. */
export function padBatch(encodings: readonly Encoding[], options: PaddingOptions): Encoding[] {
  const multiple = options.multipleOf ?? 1;
  const to = options.to ?? 'longest';
  for (const [name, value] of [
    ['to', to],
    ['multipleOf', multiple],
  ] as const)
    if (value !== 'longest' && !(Number.isInteger(value) && value > 0))
      throw new UsageError(`padding: ${name} must be a positive integer, found ${value}`, { code: 'bad-length' });
  const wanted = to === 'longest' ? encodings.reduce((most, { ids }) => Math.max(most, ids.length), 0) : to;
  const length = Math.ceil(wanted / multiple) * multiple;
  return encodings.map((encoding) => padOne(encoding, length, options.pad, options.side ?? 'right'));
}

// --- internal ---

function padOne(encoding: Encoding, length: number, pad: SpecialToken, side: Side): Encoding {
  const missing = length - encoding.ids.length;
  if (missing <= 0) return encoding;
  const fill = <T>(values: readonly T[], value: T): T[] => {
    const padding = new Array<T>(missing).fill(value);
    return side === 'right' ? [...values, ...padding] : [...padding, ...values];
  };
  return {
    ids: fill(encoding.ids, pad.id),
    typeIds: fill(encoding.typeIds, 0),
    attentionMask: fill(encoding.attentionMask, 0),
    tokens: fill(encoding.tokens, pad.token),
    offsets: fill(encoding.offsets, [0, 0] as const),
  };
}
