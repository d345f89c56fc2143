/** Copies elements between two strided places in memory, of whatever type: only the width of an element counts. */

/** Where a view lies in its bytes: index of the first element and steps per dimension, in elements. */
export interface Place {
  readonly at: number;
  readonly strides: readonly number[];
}

/** Both sides of a block of this many rows and columns stay in the first-level cache. */
const BLOCK = 32;

/** Copies the elements of `shape`; `width` is 1, 2, 4 or 8 bytes, and both byte arrays are aligned to it. */
export function copyStrided(
  width: number,
  shape: readonly number[],
  source: Uint8Array,
  from: Place,
  target: Uint8Array,
  to: Place,
): void {
  if (width === 8) {
    // An element of eight bytes is a last dimension of two words.
    const inWords = ({ at, strides }: Place): Place => ({ at: at * 2, strides: [...strides.map((s) => s * 2), 1] });
    copyStrided(4, [...shape, 2], source, inWords(from), target, inWords(to));
    return;
  }
  const read = asElements(width, source);
  const write = asElements(width, target);
  if (shape.length === 0) write[to.at] = read[from.at]!;
  else copyDimensions(shape, read, from, write, to);
}

// --- internal ---

type Elements = Uint8Array | Uint16Array | Uint32Array;

function asElements(width: number, bytes: Uint8Array): Elements {
  const { buffer, byteOffset, byteLength } = bytes;
  if (width === 4) return new Uint32Array(buffer, byteOffset, byteLength / 4);
  if (width === 2) return new Uint16Array(buffer, byteOffset, byteLength / 2);
  return bytes;
}

function copyDimensions(shape: readonly number[], read: Elements, from: Place, write: Elements, to: Place): void {
  if (shape.length < 2) copyMatrix(1, shape[0]!, planeOf(read, from), planeOf(write, to));
  else if (shape.length === 2) copyMatrix(shape[0]!, shape[1]!, planeOf(read, from), planeOf(write, to));
  else {
    const inner = ({ at, strides }: Place, i: number): Place => ({
      at: at + i * strides[0]!,
      strides: strides.slice(1),
    });
    for (let i = 0; i < shape[0]!; i++) copyDimensions(shape.slice(1), read, inner(from, i), write, inner(to, i));
  }
}

/** Where a matrix lies: index of its first element, steps to the next row and the next column. */
interface Plane {
  readonly elements: Elements;
  readonly at: number;
  readonly row: number;
  readonly column: number;
}

function planeOf(elements: Elements, { at, strides }: Place): Plane {
  return { elements, at, row: strides.length < 2 ? 0 : strides[0]!, column: strides.at(-1)! };
}

function copyMatrix(rows: number, columns: number, source: Plane, target: Plane): void {
  const { elements: read, row: readRow, column: readColumn } = source;
  const { elements: write, row: writeRow, column: writeColumn } = target;
  for (let r0 = 0; r0 < rows; r0 += BLOCK)
    for (let c0 = 0; c0 < columns; c0 += BLOCK) {
      const r1 = Math.min(rows, r0 + BLOCK);
      const c1 = Math.min(columns, c0 + BLOCK);
      for (let r = r0; r < r1; r++)
        for (let c = c0; c < c1; c++)
          write[target.at + r * writeRow + c * writeColumn] = read[source.at + r * readRow + c * readColumn]!;
    }
}
