/** Little-endian numbers of given widths: what zip headers and pickles are made of. */
export type Field = readonly [value: number, bytes: 2 | 4 | 8];

export function littleEndian(...fields: readonly Field[]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [, width]) => sum + width, 0));
  let at = 0;
  for (const [value, width] of fields) {
    if (width === 8) bytes.writeBigUInt64LE(BigInt(value), at);
    else bytes.writeUIntLE(value, at, width);
    at += width;
  }
  return bytes;
}
