import fc from 'fast-check';
import { expect, it } from 'vitest';
import { utf8Byte, utf8Length } from '../../src/tokenizers/utf8.ts';

it('gives the bytes that TextEncoder gives, for every code point', () => {
  const encoder = new TextEncoder();
  fc.assert(
    fc.property(
      fc.oneof(fc.nat(0x10ffff), fc.constantFrom(0, 0x7f, 0x80, 0x7ff, 0x800, 0xd800, 0xffff, 0x10000)),
      (point) => {
        const bytes = Array.from({ length: utf8Length(point) }, (_, i) => utf8Byte(point, i));
        expect(bytes).toEqual([...encoder.encode(String.fromCodePoint(point))]);
      },
    ),
    { numRuns: 2000 },
  );
});
