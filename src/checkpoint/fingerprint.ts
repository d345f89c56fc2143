/**
 * A hash of a tensor's numbers that does not depend on how a file lays them out: torch zip or stream, safetensors, raw
 * Megatron-LM, transposed or sliced, float16 or float32 give the same hash for the same numbers.
 *
 * sha256 over the ASCII text `fsb.tensor/1 <kind> <shape>\n` (kind float32 or int64; shape joined by `x`, empty for a
 * scalar) and then all numbers in row-major order: floating types as float32 little-endian (float64 is rounded to
 * float32), integers and bool as int64 little-endian.
 */
import { createHash } from 'node:crypto';
import { DTYPES, type Dtype, isFloat } from '../tensor/dtype.ts';
import { type LazyTensor, ROW_CHUNK_BYTES, rowChunks, storedRowChunks } from '../tensor/lazy-tensor.ts';

/** sha256 as 64 hex digits; see above for what it is taken over. Reads the tensor in row chunks. */
export async function hashTensor(tensor: LazyTensor): Promise<string> {
  const kind = isFloat(tensor.dtype) ? 'float32' : 'int64';
  const hash = createHash('sha256').update(`fsb.tensor/1 ${kind} ${tensor.shape.join('x')}\n`);
  if (kind === 'float32')
    for await (const values of rowChunks(tensor))
      hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  else
    for await (const bytes of storedRowChunks(tensor, ROW_CHUNK_BYTES / 8)) hash.update(asInt64(tensor.dtype, bytes));
  return hash.digest('hex');
}

// --- internal ---

/** Integers of any width → int64 little-endian, sign-extended. */
function asInt64(dtype: Dtype, bytes: Uint8Array): Uint8Array {
  if (dtype === 'int64') return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = DTYPES[dtype].bytes;
  const words = new Int32Array((bytes.length / width) * 2);
  const read = {
    1: (at: number) => (dtype === 'int8' ? view.getInt8(at) : view.getUint8(at)),
    2: (at: number) => view.getInt16(at, true),
    4: (at: number) => view.getInt32(at, true),
  }[width as 1 | 2 | 4];
  for (let i = 0; i < words.length; i += 2) {
    const value = read((i / 2) * width);
    words[i] = value;
    words[i + 1] = value < 0 ? -1 : 0;
  }
  return new Uint8Array(words.buffer);
}
