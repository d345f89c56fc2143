import fc from 'fast-check';
import { expect, it } from 'vitest';
import { NO_NODE, NO_PIECE, PieceTrie } from '../../src/tokenizers/piece-trie.ts';

/** Ids of the pieces that a text begins with. */
function prefixes(trie: PieceTrie, text: string): number[] {
  const found: number[] = [];
  let node = trie.first(text.charCodeAt(0));
  for (let i = 1; node !== NO_NODE; i++) {
    if (trie.pieceAt(node) !== NO_PIECE) found.push(trie.pieceAt(node));
    if (i >= text.length) break;
    node = trie.next(node, text.charCodeAt(i));
  }
  return found;
}

it('finds exactly the pieces that a text begins with, shortest first', () => {
  const piece = fc.string({ unit: fc.constantFrom('a', 'b', '今', '天', '\ud83d\ude00'), minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.uniqueArray(piece, { maxLength: 30 }), piece, (pieces, text) => {
      const trie = new PieceTrie(new Map(pieces.map((p, id) => [p, id])));
      const expected = pieces.map((p, id) => ({ p, id })).filter(({ p }) => text.startsWith(p));
      expect(prefixes(trie, text)).toEqual(expected.sort((a, b) => a.p.length - b.p.length).map(({ id }) => id));
    }),
  );
});
