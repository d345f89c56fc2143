/** The largest magnitude in each column of a matrix: a pass over all of it that costs little more than reading it. */
import { widenBfloat16, widenFloat16 } from './half.ts';
import { elementCountOf, type LazyTensor, rowChunks, storedRowChunks } from './lazy-tensor.ts';

/** Numbers read at a time. */
const CHUNK = 1024 * 1024;

/**
 * One number per column of a tensor (rows, columns). Numbers that are not finite are for whoever reads the matrix itself to refuse.
 * @throws IntegrityError (bad-tensor) for a tensor of integers
 */
export async function columnMaxima(tensor: LazyTensor): Promise<Float32Array> {
  const { dtype } = tensor;
  if (dtype === 'float16') return widenFloat16(await largestBits(tensor));
  if (dtype === 'bfloat16') return widenBfloat16(await largestBits(tensor));
  const largest = new Float32Array(columnsOf(tensor));
  for await (const rows of rowChunks(tensor, CHUNK * Float32Array.BYTES_PER_ELEMENT))
    for (let start = 0; start < rows.length; start += largest.length)
      for (let c = 0; c < largest.length; c++) {
        const size = Math.abs(rows[start + c]!);
        if (size > largest[c]!) largest[c] = size;
      }
  return largest;
}

// --- internal ---

/** Of types with 16 bits. Without the sign, floats are ordered as the integers of their bits: nothing need be widened. */
async function largestBits(tensor: LazyTensor): Promise<Uint16Array> {
  const largest = new Uint16Array(columnsOf(tensor));
  for await (const { buffer, byteOffset, byteLength } of storedRowChunks(tensor, CHUNK)) {
    const rows = new Uint16Array(buffer, byteOffset, byteLength / Uint16Array.BYTES_PER_ELEMENT);
    for (let start = 0; start < rows.length; start += largest.length)
      for (let c = 0; c < largest.length; c++) {
        const size = rows[start + c]! & 0x7fff;
        if (size > largest[c]!) largest[c] = size;
      }
  }
  return largest;
}

function columnsOf({ shape }: LazyTensor): number {
  return elementCountOf(shape.slice(1));
}
