/**
 * Keys and values in the memory of a GPU, (rows, heads, capacity, headSize) each, bound as past and as present: a step
 * updates them in place, and none of their bytes cross into main memory, not even when rows are moved.
 */
import type { Binding, DeviceMemory, DeviceTensor } from '../engine/session.ts';
import { type ValueInfo, zeros } from '../engine/tensor.ts';
import { presentOf } from './cache-arrays.ts';

/** One layer's keys or values. */
interface DeviceEntry {
  readonly past: string;
  readonly present: string;
  readonly heads: number;
  readonly headSize: number;
  /** Undefined before the first tokens. */
  tensor: DeviceTensor | undefined;
}

export class DeviceCache {
  readonly #memory: DeviceMemory;
  readonly #entries: DeviceEntry[];
  #rows = 1;
  #capacity = 0;

  /** `inputs`: those of the graph; `pattern`: which of them are pasts. */
  constructor(inputs: readonly ValueInfo[], pattern: RegExp, memory: DeviceMemory) {
    this.#memory = memory;
    this.#entries = inputs
      .filter(({ name }) => pattern.test(name))
      .map(({ name, shape }) => ({
        past: name,
        present: presentOf(name),
        heads: Number(shape[1]),
        headSize: Number(shape[3]),
        tensor: undefined,
      }));
  }

  get rows(): number {
    return this.#rows;
  }

  get capacity(): number {
    return this.#capacity;
  }

  get sizeBytes(): number {
    return this.#entries.reduce((sum, { tensor }) => sum + (tensor?.sizeBytes ?? 0), 0);
  }

  async rearrange(parents: readonly number[], length: number, capacity: number): Promise<void> {
    for (const entry of this.#entries) {
      const { heads, headSize, tensor } = entry;
      entry.tensor = tensor
        ? await this.#memory.move(tensor, { parents, length, capacity })
        : await this.#memory.zeros([parents.length, heads, capacity, headSize]);
      tensor?.dispose();
    }
    this.#rows = parents.length;
    this.#capacity = capacity;
  }

  bind(binding: Binding, sides: { readonly past: boolean; readonly present: boolean }): void {
    for (const { past, present, tensor } of this.#entries) {
      if (!tensor) throw new Error(`${past} is bound before it has room`);
      if (sides.past) binding.input(past, tensor);
      if (sides.present) binding.output(present, tensor);
    }
  }

  bindEmptyPast(binding: Binding): void {
    for (const { past, heads, headSize } of this.#entries)
      binding.input(past, zeros('float32', [this.#rows, heads, 0, headSize]));
  }

  release(): void {
    for (const entry of this.#entries) {
      entry.tensor?.dispose();
      entry.tensor = undefined;
    }
  }
}
