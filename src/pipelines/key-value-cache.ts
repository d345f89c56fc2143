/**
 * The tokens so far of one or more rows, as keys and values that the graph updates in place. What differs between
 * decoders and the decoders of encoder-decoders is how a step is fed: `bindStep`.
 */
import type { Binding, Session } from '../engine/session.ts';
import { int64Tensor } from '../engine/tensor.ts';
import { UsageError } from '../util/errors.ts';
import { type CacheStore, openCache } from './cache-store.ts';

/** Where nobody said how many tokens will come, there is room for so many more: growing is a copy of everything. */
const GROWTH_TOKENS = 256;

const KEPT_INPUT = 'num_logits_to_keep';

/** The inputs of one step beside the cache and the ids. */
export interface Step {
  /** Tokens in the cache before the step. */
  readonly past: number;
  /** (rows, new tokens) */
  readonly tokens: readonly (readonly number[])[];
}

export interface KeyValueCacheOptions {
  /** Width of a row of logits. */
  readonly columns: number;
  /** Most tokens. */
  readonly maxLength: number;
  /** Tokens that will follow the first ones. @default not known */
  readonly room?: number | undefined;
  /** Which graph inputs are pasts that grow with the tokens. */
  readonly pasts: RegExp;
  /** Binds what the step needs beside past, present, input_ids, num_logits_to_keep and logits. */
  readonly bindStep: (binding: Binding, step: Step) => void;
  /** Follows the rows of the cache: row i is now a copy of the former row parents[i]. */
  readonly onRearrange?: (parents: readonly number[]) => void | Promise<void>;
  /** Lets go of what bindStep binds. */
  readonly onDispose?: () => void;
}

export interface AppendOptions {
  /** Logits of how many of the last new positions are computed. */
  readonly keep: number;
  readonly signal?: AbortSignal | undefined;
}

export class KeyValueCache {
  readonly #binding: Binding;
  readonly #options: KeyValueCacheOptions;
  readonly #arrays: CacheStore;
  /** onnxruntime-node's JavaScript API cannot feed inputs that have defaults: it computes the logits of every position. */
  readonly #keepsFewer: boolean;
  #length = 0;
  /** What the last step computed; a new array per token would be 200 kB of garbage. */
  #stepLogits = new Float32Array();

  constructor(session: Session, options: KeyValueCacheOptions) {
    this.#binding = session.createBinding();
    this.#options = options;
    this.#arrays = openCache(session, options.pasts);
    this.#keepsFewer = session.inputNames.includes(KEPT_INPUT);
  }

  get rows(): number {
    return this.#arrays.rows;
  }

  /** Tokens of each row. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that the keys and values take. */
  get sizeBytes(): number {
    return this.#arrays.sizeBytes;
  }

  /**
   * Appends tokens: row i continues the former row parents[i]. Several tokens at once need a single row.
   * Result: for each row the logits after each of its tokens, in memory that the next step uses again.
   */
  async step(
    parents: readonly number[],
    tokens: readonly (readonly number[])[],
    signal?: AbortSignal,
  ): Promise<Float32Array[][]> {
    const isSame = parents.length === this.rows && parents.every((parent, row) => parent === row);
    if (!isSame) await this.#rearrange(parents, this.#arrays.capacity);
    const keep = tokens[0]!.length;
    const size = this.rows * keep * this.#options.columns;
    if (this.#stepLogits.length !== size) this.#stepLogits = new Float32Array(size);
    return this.#append(tokens, { keep, signal }, this.#stepLogits);
  }

  /** Forgets the tokens from `length` on. */
  rewind(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.#length)
      throw new UsageError(`rewind to ${length}: expected a length from 0 to ${this.#length}`, { code: 'bad-length' });
    this.#length = length;
  }

  /** As step, for the rows as they are, in memory of its own. */
  append(tokens: readonly (readonly number[])[], options: AppendOptions): Promise<Float32Array[][]> {
    const positions = this.#keepsFewer ? options.keep : tokens[0]!.length;
    const size = this.rows * positions * this.#options.columns;
    return this.#append(tokens, options, new Float32Array(size));
  }

  dispose(): Promise<void> {
    this.#arrays.release();
    this.#options.onDispose?.();
    return this.#binding.dispose();
  }

  async #append(
    tokens: readonly (readonly number[])[],
    { keep, signal }: AppendOptions,
    logits: Float32Array,
  ): Promise<Float32Array[][]> {
    const total = this.#length + tokens[0]!.length;
    const { maxLength, columns, room, bindStep } = this.#options;
    if (total > maxLength)
      throw new UsageError(`${total} tokens: the model takes at most ${maxLength}, prompt and continuation together`, {
        code: 'context-overflow',
      });
    if (total > this.#arrays.capacity) {
      const rows = Array.from({ length: this.rows }, (_, row) => row);
      const more = this.#length === 0 ? (room ?? GROWTH_TOKENS) : GROWTH_TOKENS;
      await this.#rearrange(rows, Math.min(maxLength, total + more));
    }
    const positions = this.#keepsFewer ? keep : tokens[0]!.length;
    this.#binding
      .input('input_ids', int64Tensor(tokens))
      .output('logits', { dtype: 'float32', shape: [this.rows, positions, columns], data: logits });
    if (this.#keepsFewer)
      this.#binding.input(KEPT_INPUT, { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(keep)) });
    bindStep(this.#binding, { past: this.#length, tokens });
    await this.#binding.run(signal ? { signal } : {});
    this.#length = total;
    return tokens.map((_, row) =>
      Array.from({ length: keep }, (_, k) => {
        const start = (row * positions + positions - keep + k) * columns;
        return logits.subarray(start, start + columns);
      }),
    );
  }

  async #rearrange(parents: readonly number[], capacity: number): Promise<void> {
    const isCopy = parents.every((parent, row) => parent === row) && parents.length === this.rows;
    await this.#arrays.rearrange(parents, this.#length, capacity);
    this.#arrays.bind(this.#binding, { past: true, present: true });
    if (!isCopy) await this.#options.onRearrange?.(parents);
  }
}
