/**
 * Whom to believe when the bytes of several places together are wrong: the places are tried one by one, the first first,
 * and what others sent is fetched from it and compared. A place that has sent everything gets one more chance, for bits
 * that fell over on the way.
 */
import type { DataFile } from './data-file.ts';
import type { PieceMap } from './piece-map.ts';
import type { Suppliers } from './suppliers.ts';

export class TrustRounds {
  readonly #pieces: PieceMap;
  readonly #file: DataFile;
  readonly #suppliers: Suppliers;
  #rounds = 0;
  /** Pieces as they were before they were fetched from the place that is tried. */
  readonly #former = new Map<number, { readonly crc: number; readonly source: string }>();

  constructor(pieces: PieceMap, file: DataFile, suppliers: Suppliers) {
    this.#pieces = pieces;
    this.#file = file;
    this.#suppliers = suppliers;
  }

  /** Labels of the places whose bytes are in the file; every piece must be there. */
  sources(): string[] {
    return [...new Set(this.#all().map((piece) => this.#pieces.record(piece)!.source))];
  }

  /** The bytes are wrong: the pieces to fetch from the next place, to which the suppliers are restricted; undefined when all were tried. */
  async next(): Promise<ReadonlySet<number> | undefined> {
    const trusted = this.#suppliers.left[this.#rounds++];
    if (!trusted) return undefined;
    this.#suppliers.restrictTo(trusted);
    const fromOthers = this.#all().filter((piece) => this.#pieces.record(piece)!.source !== trusted.label);
    const suspects = new Set(fromOthers.length > 0 ? fromOthers : this.#all());
    for (const piece of suspects)
      if (!this.#former.has(piece))
        this.#former.set(piece, { crc: await this.#crcOf(piece), source: this.#pieces.record(piece)!.source });
    return suspects;
  }

  /** The bytes are right: the places that had sent others. */
  async liars(): Promise<string[]> {
    const liars = new Set<string>();
    for (const [piece, { crc, source }] of this.#former) {
      if (this.#pieces.record(piece)!.source !== source && (await this.#crcOf(piece)) !== crc) liars.add(source);
    }
    return this.#suppliers.left.map(({ label }) => label).filter((label) => liars.has(label));
  }

  async #crcOf(piece: number): Promise<number> {
    const { crc } = this.#pieces.record(piece)!;
    return crc ?? this.#file.crc32(this.#pieces.startOf(piece), this.#pieces.endOf(piece));
  }

  #all(): number[] {
    return Array.from({ length: this.#pieces.count }, (_, piece) => piece);
  }
}
