/** NumPy's .npy, version 1.0, for float32 arrays. Format: numpy/lib/format.py. */

const MAGIC = '\x93NUMPY\x01\x00';
const ALIGNMENT = 64; // of the data, so that it can be mapped

/** The bytes of a .npy file: row-major little-endian float32 of the given shape. */
export function npyBytes(values: Float32Array, shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
  const before = MAGIC.length + 2;
  const padding = ALIGNMENT - ((before + dictionary.length + 1) % ALIGNMENT);
  const header = `${dictionary}${' '.repeat(padding % ALIGNMENT)}\n`;
  const result = Buffer.alloc(before + header.length + values.byteLength);
  result.write(MAGIC, 'latin1');
  result.writeUInt16LE(header.length, MAGIC.length);
  result.write(header, before, 'latin1');
  result.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), before + header.length);
  return result;
}
