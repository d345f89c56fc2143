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
  if (width === 8) return copyAsWords(shape, source, from, target, to);
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

/** An element of eight bytes is a last dimension of two words. */
function copyAsWords(shape: readonly number[], source: Uint8Array, from: Place, target: Uint8Array, to: Place): void {
  const inWords = (place: Place): Place => ({
    at: place.at * 2,
    strides: [...place.strides.map((stride) => stride * 2), 1],
  });
  copyStrided(4, [...shape, 2], source, inWords(from), target, inWords(to));
}

function copyDimensions(shape: readonly number[], read: Elements, from: Place, write: Elements, to: Place): void {
  if (shape.length === 1) return copyBlock(1, shape[0]!, read, from.at, 0, from.strides[0]!, write, to.at, 0, to.strides[0]!);
  if (shape.length === 2) {
    const [rows, columns] = shape as [number, number];
    const [fromRow, fromColumn] = from.strides as [number, number];
    const [toRow, toColumn] = to.strides as [number, number];
    for (let r = 0; r < rows; r += BLOCK)
      for (let c = 0; c < columns; c += BLOCK) {
        const readAt = from.at + r * fromRow + c * fromColumn;
        const writeAt = to.at + r * toRow + c * toColumn;
        const height = Math.min(BLOCK, rows - r);
        const breadth = Math.min(BLOCK, columns - c);
        copyBlock(height, breadth, read, readAt, fromRow, fromColumn, write, writeAt, toRow, toColumn);
      }
    return;
  }
  const rest = shape.slice(1);
  const fromRest = from.strides.slice(1);
  const toRest = to.strides.slice(1);
  for (let i = 0; i < shape[0]!; i++) {
    const readPlace = { at: from.at + i * from.strides[0]!, strides: fromRest };
    const writePlace = { at: to.at + i * to.strides[0]!, strides: toRest };
    copyDimensions(rest, read, readPlace, write, writePlace);
  }
}

function copyBlock(
  rows: number,
  columns: number,
  read: Elements,
  readAt: number,
  readRow: number,
  readColumn: number,
  write: Elements,
  writeAt: number,
  writeRow: number,
  writeColumn: number,
): void {
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++)
      write[writeAt + r * writeRow + c * writeColumn] = read[readAt + r * readRow + c * readColumn]!;
}
