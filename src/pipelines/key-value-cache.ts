/**
 * The keys and values of the tokens so far, in arrays of ours which the graph reads as past and writes as present:
 * nothing of it crosses into JavaScript but the logits.
 */
import type { Binding, Session } from '../engine/session.ts';
import { int64Tensor, zeros } from '../engine/tensor.ts';
import { UsageError } from '../util/errors.ts';

/** Room is made for so many tokens more than needed, so that growing (a copy of everything) is rare. */
const GROWTH_TOKENS = 256;

export interface KeyValueCacheOptions {
  /** Width of a row of logits. */
  readonly columns: number;
  /** Most tokens. */
  readonly maxLength: number;
}

export interface AppendOptions {
  /** Logits of how many of the last new positions are computed. */
  readonly keep: number;
  readonly signal?: AbortSignal | undefined;
}

/** One layer's keys or values: (rows, heads, capacity, headSize). */
interface Slot {
  readonly past: string;
  readonly present: string;
  readonly heads: number;
  readonly headSize: number;
  data: Float32Array;
}

export class KeyValueCache {
  readonly #binding: Binding;
  readonly #options: KeyValueCacheOptions;
  readonly #slots: Slot[];
  #rows = 1;
  #length = 0;
  #capacity = 0;

  constructor(session: Session, options: KeyValueCacheOptions) {
    this.#binding = session.createBinding();
    this.#options = options;
    this.#slots = session.inputs
      .filter(({ name }) => name.startsWith('past_key_values.'))
      .map(({ name, shape }) => ({
        past: name,
        present: name.replace('past_key_values.', 'present.'),
        heads: Number(shape[1]),
        headSize: Number(shape[3]),
        data: new Float32Array(),
      }));
  }

  get rows(): number {
    return this.#rows;
  }

  /** Tokens of each row. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that the keys and values take. */
  get sizeBytes(): number {
    return this.#slots.reduce((sum, { data }) => sum + data.byteLength, 0);
  }

  /**
   * Appends tokens: row i continues the former row parents[i]. Several tokens at once need a single row.
   * Result: for each row the logits after each of its tokens.
   */
  async step(
    parents: readonly number[],
    tokens: readonly (readonly number[])[],
    signal?: AbortSignal,
  ): Promise<Float32Array[][]> {
    const isSame = parents.length === this.#rows && parents.every((parent, row) => parent === row);
    if (!isSame) this.#rearrange(parents, this.#capacity);
    return this.append(tokens, { keep: tokens[0]!.length, signal });
  }

  /** Forgets the tokens from `length` on. */
  rewind(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.#length)
      throw new UsageError(`rewind to ${length}: expected a length from 0 to ${this.#length}`, { code: 'bad-length' });
    this.#length = length;
  }

  /** As step, for the rows as they are. */
  async append(tokens: readonly (readonly number[])[], { keep, signal }: AppendOptions): Promise<Float32Array[][]> {
    const count = tokens[0]!.length;
    const total = this.#length + count;
    const { maxLength, columns } = this.#options;
    if (total > maxLength)
      throw new UsageError(`${total} tokens: the model takes at most ${maxLength}, prompt and continuation together`, {
        code: 'context-overflow',
      });
    if (total > this.#capacity) this.#grow(total);
    const logits = zeros('float32', [this.#rows, keep, columns]);
    const places = Array.from({ length: count }, (_, t) => this.#length + t);
    this.#binding
      .input('input_ids', int64Tensor(tokens))
      .input('position_ids', int64Tensor(tokens.map(() => places)))
      .input('attention_mask', int64Tensor(tokens.map(() => new Array<number>(total).fill(1))))
      .input('num_logits_to_keep', { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(keep)) })
      .output('logits', logits);
    await this.#binding.run(signal ? { signal } : {});
    this.#length = total;
    return tokens.map((_, row) =>
      Array.from({ length: keep }, (_, k) => {
        const start = (row * keep + k) * columns;
        return logits.data.subarray(start, start + columns);
      }),
    );
  }

  dispose(): Promise<void> {
    for (const slot of this.#slots) slot.data = new Float32Array();
    return this.#binding.dispose();
  }

  #grow(needed: number): void {
    const capacity = Math.min(this.#options.maxLength, needed + GROWTH_TOKENS);
    this.#rearrange(
      Array.from({ length: this.#rows }, (_, row) => row),
      capacity,
    );
  }

  /** New arrays with row i a copy of the former row parents[i], and room for `capacity` tokens. */
  #rearrange(parents: readonly number[], capacity: number): void {
    for (const slot of this.#slots) {
      const { heads, headSize, data, past, present } = slot;
      const next = zeros('float32', [parents.length, heads, capacity, headSize]);
      const used = this.#length * headSize;
      for (const [row, parent] of parents.entries())
        for (let head = 0; head < heads && used > 0; head++) {
          const from = (parent * heads + head) * this.#capacity * headSize;
          next.data.set(data.subarray(from, from + used), (row * heads + head) * capacity * headSize);
        }
      slot.data = next.data;
      this.#binding.input(past, next).output(present, next);
    }
    this.#rows = parents.length;
    this.#capacity = capacity;
  }
}
