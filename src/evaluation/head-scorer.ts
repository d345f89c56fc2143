/** What an evaluation needs of a classifier; the classify pipeline implements it, tests fake it. */

/** One row of a classifier's input, special tokens included, without padding. */
export interface EncodedRow {
  readonly ids: readonly number[];
  /** Token types (segments), as many as ids. */
  readonly typeIds: readonly number[];
}

export interface HeadScorer {
  /** Names of the logits by index, as the checkpoint's id2label has them. */
  readonly labels: readonly string[];
  /** Ids after truncation to at most `maxLength` tokens; the longer segment of a pair is cut first. */
  encode(example: { readonly text: string; readonly pair?: string }, maxLength: number): EncodedRow;
  /**
   * One row of logits per row of the batch, (B, labels), in the batch's order. Padding is the scorer's business and
   * must not show in the numbers.
   */
  score(batch: readonly EncodedRow[], signal?: AbortSignal): Promise<Float32Array[]>;
}
