/**
 * Keys and values in arrays of ours, (rows, heads, capacity, headSize) each, which a graph reads as past and writes as
 * present: nothing of them is copied when tokens are appended.
 */
import type { Binding } from '../engine/session.ts';
import { type ValueInfo, zeros } from '../engine/tensor.ts';

/** One layer's keys or values. */
interface CacheArray {
  readonly past: string;
  readonly present: string;
  readonly heads: number;
  readonly headSize: number;
  data: Float32Array;
}

export class CacheArrays {
  readonly #arrays: CacheArray[];
  #rows = 1;
  #capacity = 0;

  /** `inputs`: those of the graph; `pattern`: which of them are pasts. */
  constructor(inputs: readonly ValueInfo[], pattern: RegExp) {
    this.#arrays = inputs
      .filter(({ name }) => pattern.test(name))
      .map(({ name, shape }) => ({
        past: name,
        present: presentOf(name),
        heads: Number(shape[1]),
        headSize: Number(shape[3]),
        data: new Float32Array(),
      }));
  }

  get rows(): number {
    return this.#rows;
  }

  /** Tokens there is room for. */
  get capacity(): number {
    return this.#capacity;
  }

  get sizeBytes(): number {
    return this.#arrays.reduce((sum, { data }) => sum + data.byteLength, 0);
  }

  /** New arrays where row i has the first `length` tokens of the former row parents[i], and room for `capacity`. */
  rearrange(parents: readonly number[], length: number, capacity: number): void {
    for (const array of this.#arrays) {
      const { heads, headSize, data } = array;
      const next = zeros('float32', [parents.length, heads, capacity, headSize]).data;
      const used = length * headSize;
      for (const [row, parent] of parents.entries())
        for (let head = 0; head < heads && used > 0; head++) {
          const from = (parent * heads + head) * this.#capacity * headSize;
          next.set(data.subarray(from, from + used), (row * heads + head) * capacity * headSize);
        }
      array.data = next;
    }
    this.#rows = parents.length;
    this.#capacity = capacity;
  }

  /** Binds each array as past, as present, or as both. */
  bind(binding: Binding, sides: { readonly past: boolean; readonly present: boolean }): void {
    for (const { past, present, heads, headSize, data } of this.#arrays) {
      const tensor = { dtype: 'float32', shape: [this.#rows, heads, this.#capacity, headSize], data } as const;
      if (sides.past) binding.input(past, tensor);
      if (sides.present) binding.output(present, tensor);
    }
  }

  /** Binds pasts without any token. */
  bindEmptyPast(binding: Binding): void {
    for (const { past, heads, headSize } of this.#arrays)
      binding.input(past, zeros('float32', [this.#rows, heads, 0, headSize]));
  }

  release(): void {
    for (const array of this.#arrays) array.data = new Float32Array();
  }
}

/** The output that continues a past. */
export function presentOf(past: string): string {
  return past.replace('past_key_values.', 'present.');
}
