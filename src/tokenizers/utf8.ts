/** Single bytes of a code point's UTF-8, without making strings or arrays. Half a surrogate pair reads as U+FFFD. */

export function utf8Length(codePoint: number): number {
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint > 0xffff ? 4 : 3;
}

/** Byte `index` of utf8Length(codePoint). */
export function utf8Byte(codePoint: number, index: number): number {
  const length = utf8Length(codePoint);
  const scalar = (codePoint & 0xfffff800) === 0xd800 ? 0xfffd : codePoint;
  if (length === 1) return scalar;
  const bits = scalar >> (6 * (length - 1 - index));
  return index === 0 ? ((0xf00 >> length) & 0xff) | bits : 0x80 | (bits & 0x3f);
}
