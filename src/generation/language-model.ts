/** What generation needs of a model. Decoders and encoder-decoders implement it over their caches; tests fake it. */

export interface LanguageModel {
  /** Width of a row of logits: rows of the embedding. */
  readonly columns: number;
  /** Ids from here on are padding rows and are never chosen. */
  readonly vocabularySize: number;
  /** Most tokens of prompt and continuation together. */
  readonly maxLength: number;
  /**
   * True when several tokens at once give the logits that they give one by one, but for the rounding of float32 sums.
   * Where activations are rounded to 8 bits that is enough for other codes, and now and then for another token.
   */
  readonly readsChunksExactly: boolean;
  /** Reads a prompt (an encoder-decoder's: what its decoder begins with): one row, and the logits after its last token. */
  prefill(prompt: readonly number[], options?: PrefillOptions): Promise<{ cache: Cache; logits: Float32Array }>;
}

export interface PrefillOptions {
  /** How many tokens will follow the prompt, so that memory is taken once. More are possible. */
  readonly room?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The tokens of one or more rows, remembered. */
export interface Cache {
  readonly rows: number;
  /** Tokens of each row. */
  readonly length: number;
  /**
   * Appends tokens: row i continues the former row parents[i], so rows can be copied, dropped and reordered. Several
   * tokens at once need a single row. Result: per row the logits after each of its tokens, which may change with the
   * next step.
   */
  step(
    parents: readonly number[],
    tokens: readonly (readonly number[])[],
    signal?: AbortSignal,
  ): Promise<Float32Array[][]>;
  /** Forgets the tokens from `length` on. */
  rewind(length: number): void;
  dispose(): Promise<void>;
}
