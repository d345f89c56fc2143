/**
 * An encoder as a language model without a cache: every step reads the whole text anew, in both directions. This is how
 * Zhouwenwang's model card generates (token types 0); slow, since nothing can be kept.
 */
import type { PrefillOptions } from '../generation/language-model.ts';
import { UsageError } from '../util/errors.ts';
import type { Encoder } from './encoder.ts';

export class RecomputingModel {
  readonly #encoder: Encoder;

  constructor(encoder: Encoder) {
    this.#encoder = encoder;
  }

  get columns(): number {
    return Number(this.#encoder.manifest.config.vocabularyRows);
  }

  get vocabularySize(): number {
    return this.#encoder.vocabularySize;
  }

  get maxLength(): number {
    return this.#encoder.maxPositions;
  }

  /** What a position's logits are depends on what follows it: there is nothing to guess ahead. */
  get readsChunksExactly(): boolean {
    return false;
  }

  /** Reads a prompt; logits after its last token. */
  async prefill(
    prompt: readonly number[],
    { signal }: PrefillOptions = {},
  ): Promise<{ cache: RememberedRows; logits: Float32Array }> {
    const cache = new RememberedRows(this.#encoder, this.columns, [[]]);
    const [[logits]] = (await cache.step([0], [prompt.slice()], signal, 1)) as [[Float32Array]];
    return { cache, logits };
  }
}

// --- internal ---

class RememberedRows {
  readonly #encoder: Encoder;
  readonly #columns: number;
  #ids: number[][];

  constructor(encoder: Encoder, columns: number, ids: number[][]) {
    this.#encoder = encoder;
    this.#columns = columns;
    this.#ids = ids;
  }

  get rows(): number {
    return this.#ids.length;
  }

  get length(): number {
    return this.#ids[0]!.length;
  }

  /** As a cache's step. Logits of a position that is not the last would change with what follows it: one at a time. */
  async step(
    parents: readonly number[],
    tokens: readonly (readonly number[])[],
    signal?: AbortSignal,
    keep = tokens[0]!.length,
  ): Promise<Float32Array[][]> {
    if (keep !== 1)
      throw new UsageError('a text that is read in both directions takes one token at a time', { code: 'no-chunks' });
    this.#ids = parents.map((parent, row) => [...this.#ids[parent]!, ...tokens[row]!]);
    const outputs = await this.#encoder.run(
      this.#ids.map((ids) => ({ ids })),
      ['lm_logits'],
      signal,
    );
    return outputs.map(([output], row) => {
      const last = (this.#ids[row]!.length - 1) * this.#columns;
      return [output!.values.subarray(last, last + this.#columns)];
    });
  }

  rewind(length: number): void {
    this.#ids = this.#ids.map((ids) => ids.slice(0, length));
  }

  async dispose(): Promise<void> {
    this.#ids = [[]];
  }
}
