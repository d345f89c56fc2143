/** A trie over UTF-16 units for the pieces of a vocabulary: the first unit by table, further ones by hashing. */

/** No node: the root is never a child, so 0 is free for it. */
export const NO_NODE = 0;
/** No piece ends at a node. */
export const NO_PIECE = -1;

/** Numbers of a slot in the edge table: parent node, unit, child node. Together, so that a look touches one cache line. */
const SLOT = 3;

export class PieceTrie {
  readonly #first = new Int32Array(0x10000);
  readonly #pieces: Int32Array;
  /** 1 for nodes with children. */
  readonly #continues: Uint8Array;
  /** Open addressing; a slot is free while its parent is NO_NODE. */
  readonly #edges: Int32Array;
  readonly #mask: number;

  /** `pieces` is text → id. */
  constructor(pieces: ReadonlyMap<string, number>) {
    let most = 1;
    for (const piece of pieces.keys()) most += piece.length;
    let capacity = 16;
    while (capacity < most * 2) capacity *= 2;
    this.#mask = capacity - 1;
    this.#edges = new Int32Array(capacity * SLOT);
    this.#pieces = new Int32Array(most + 1).fill(NO_PIECE);
    this.#continues = new Uint8Array(most + 1);
    let last = 0;
    for (const [piece, id] of pieces) {
      let node = this.#first[piece.charCodeAt(0)]!;
      if (node === NO_NODE) {
        node = ++last;
        this.#first[piece.charCodeAt(0)] = node;
      }
      for (let i = 1; i < piece.length; i++) {
        const slot = this.#slot(node, piece.charCodeAt(i));
        if (this.#edges[slot] === NO_NODE) {
          this.#edges[slot] = node;
          this.#edges[slot + 1] = piece.charCodeAt(i);
          this.#edges[slot + 2] = ++last;
          this.#continues[node] = 1;
        }
        node = this.#edges[slot + 2]!;
      }
      this.#pieces[node] = id;
    }
  }

  /** The node after the first unit of a piece. */
  first(unit: number): number {
    return this.#first[unit]!;
  }

  next(node: number, unit: number): number {
    return this.#continues[node] === 0 ? NO_NODE : this.#edges[this.#slot(node, unit) + 2]!;
  }

  /** Id of the piece that ends at a node, or NO_PIECE. */
  pieceAt(node: number): number {
    return this.#pieces[node]!;
  }

  #slot(node: number, unit: number): number {
    const hash = Math.imul(node, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b);
    let index = (hash ^ (hash >>> 15)) & this.#mask;
    for (;;) {
      const slot = index * SLOT;
      const parent = this.#edges[slot];
      if (parent === NO_NODE || (parent === node && this.#edges[slot + 1] === unit)) return slot;
      index = (index + 1) & this.#mask;
    }
  }
}
