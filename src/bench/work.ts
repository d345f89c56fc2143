/** How much a model has to do, and which share of the machine's limits that is. */
import type { Limits, ModelKind } from './result.ts';
import type { Shape } from './shapes.ts';

/** What the matrices of a model ask of a machine. */
export interface MatrixWork {
  /** Weights of the matrices that every token is multiplied with. */
  readonly perToken: number;
  /** Weights of those that a single position is: the projection onto the vocabulary. */
  readonly perSequence: number;
  /** Bytes of weights that a decoding step reads. */
  readonly bytesPerStep: number;
  /** Which unit multiplies them. */
  readonly arithmetic: 'float32' | 'int8';
}

/** Shares of the limits: examples or prefill against the matrix peak, decoding against the bandwidth. */
export interface Shares {
  readonly decodeBandwidthShare: number | null;
  readonly prefillPeakShare: number | null;
  readonly examplesPeakShare: number | null;
}

export interface Speeds {
  readonly examplesPerSecond: number | null;
  readonly prefillTokensPerSecond: number | null;
  readonly decodeTokensPerSecond: number | null;
}

/**
 * Counted are the products with weights, two operations a weight and token, and not those of attention scores, which
 * are a few per cent at the lengths here; and the bytes of weights, not those of the cache.
 */
export function sharesOf(
  kind: ModelKind,
  { batch, sequence }: Shape,
  speeds: Speeds,
  work: MatrixWork,
  limits: Limits,
): Shares {
  const peak = work.arithmetic === 'int8' ? limits.int8OperationsPerSecond : limits.float32OperationsPerSecond;
  const sequenceOperations = 2 * (sequence * work.perToken + work.perSequence);
  const { examplesPerSecond, prefillTokensPerSecond, decodeTokensPerSecond } = speeds;
  return {
    examplesPeakShare: examplesPerSecond === null ? null : (examplesPerSecond * sequenceOperations) / peak,
    // an encoder-decoder's source passes the encoder's matrices, whose work is not told apart here
    prefillPeakShare:
      prefillTokensPerSecond === null || kind === 'encoder-decoder'
        ? null
        : ((prefillTokensPerSecond / sequence) * sequenceOperations) / peak,
    decodeBandwidthShare:
      decodeTokensPerSecond === null
        ? null
        : ((decodeTokensPerSecond / batch) * work.bytesPerStep) / limits.readBytesPerSecond,
  };
}
