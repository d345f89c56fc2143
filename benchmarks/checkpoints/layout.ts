/** How the tensors of a checkpoint lie in its storages: as published, with slices, windows, transposed views and aliases. */
import type { Fill } from './random-numbers.ts';
import type { TensorView } from './torch-archive.ts';

export interface StoragePlan {
  readonly count: number;
  readonly fill: Fill;
}

/** Standard deviation of weights and biases that no rule scales: BERT's and GPT-2's initializer_range. */
export const DEVIATION = 0.02;

export class Layout {
  readonly storages: StoragePlan[] = [];
  readonly views: TensorView[] = [];

  /** A tensor in a storage of its own. */
  tensor(name: string, shape: readonly number[], fill: Fill = normal(DEVIATION)): void {
    this.#view(name, this.#storage(elementsOf(shape), fill), 0, shape, stridesOf(shape));
  }

  /** A matrix that lies in its storage as its transpose, as `weight.transpose(0, 1)` leaves it. */
  transposed(name: string, [rows, columns]: readonly [number, number], fill: Fill): void {
    this.#view(name, this.#storage(rows * columns, fill), 0, [rows, columns], [1, rows]);
  }

  /** Tensors of one shape, one after the other in one storage. */
  slices(names: readonly string[], shape: readonly number[], fill: Fill = normal(DEVIATION)): void {
    const size = elementsOf(shape);
    const storage = this.#storage(names.length * size, fill);
    for (const [i, name] of names.entries()) this.#view(name, storage, i * size, shape, stridesOf(shape));
  }

  /** Weight 1 and bias 0, both a little off so that a mistake shows. */
  norm(prefix: string, size: number): void {
    this.tensor(`${prefix}.weight`, [size], { kind: 'normal', mean: 1, deviation: DEVIATION });
    this.tensor(`${prefix}.bias`, [size]);
  }

  /** The same view under another name. */
  alias(name: string, of: string): void {
    this.views.push({ ...this.views.find((view) => view.name === of)!, name });
  }

  #storage(count: number, fill: Fill): number {
    return this.storages.push({ count, fill }) - 1;
  }

  #view(name: string, storage: number, offset: number, shape: readonly number[], strides: readonly number[]): void {
    this.views.push({ name, storage, offset, shape, strides });
  }
}

export function normal(deviation: number): Fill {
  return { kind: 'normal', mean: 0, deviation };
}

// --- internal ---

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, d) => elementsOf(shape.slice(d + 1)));
}
