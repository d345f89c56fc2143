/** The tensors of a checkpoint as an architecture sees them: names and shapes, no numbers. */
import { IntegrityError } from '../util/errors.ts';

export class Tensors {
  readonly #shapes: ReadonlyMap<string, readonly number[]>;
  /** Where the checkpoint is, for messages. */
  readonly origin: string;

  constructor(shapes: ReadonlyMap<string, readonly number[]>, origin: string) {
    this.#shapes = shapes;
    this.origin = origin;
  }

  has(name: string): boolean {
    return this.#shapes.has(name);
  }

  /** True when some name matches. */
  some(pattern: RegExp): boolean {
    for (const name of this.#shapes.keys()) if (pattern.test(name)) return true;
    return false;
  }

  /** The shape of a tensor whose dimensions are needed, e.g. shapeOf('embeddings.word_embeddings.weight', 'V', 'H'). */
  shapeOf(name: string, ...dimensions: readonly string[]): number[] {
    const shape = this.#shapes.get(name);
    if (!shape)
      throw new IntegrityError(
        `${this.origin}: tensor "${name}" is missing; its shape [${dimensions.join(', ')}] gives the model's dimensions`,
        { code: 'missing-tensor', facts: { missing: [name] } },
      );
    if (shape.length !== dimensions.length)
      throw new IntegrityError(
        `${this.origin}: tensor "${name}": expected shape [${dimensions.join(', ')}], found [${shape.join(', ')}]`,
        { code: 'wrong-shape', facts: { name, shape } },
      );
    return [...shape];
  }

  /** Number of layers: one more than the largest index in names that match; the pattern's first group is the index. */
  countLayers(pattern: RegExp): number {
    let count = 0;
    for (const name of this.#shapes.keys()) {
      const match = pattern.exec(name);
      if (match) count = Math.max(count, Number(match[1]) + 1);
    }
    return count;
  }
}
