/** Which pieces of a file are here, which are on their way, and which stretch the next connection takes. */

export const PIECE_BYTES = 4 << 20;
/**
 * A connection asks for at most so many pieces at once: hubs count requests, and the checksum, which follows the bytes in their
 * order, should find the stretches ahead of it still in the file cache.
 */
const MAX_SPAN_PIECES = 16;
/** A stretch shorter than this is not shared with an idle connection: a new request costs more than it saves. */
const MIN_SHARED_PIECES = 4;

/** A stretch of pieces that one connection fetches. Pieces may be taken from its end by another. */
export interface Span {
  readonly first: number;
  /** Exclusive. */
  end: number;
  /** The piece being received. */
  at: number;
  /** Of a server that sends the whole file only: nothing can be taken from its end. */
  readonly isWhole: boolean;
}

export interface PieceRecord {
  /** CRC-32 of the piece's bytes; one of this and `upTo` is known. */
  readonly crc?: number | undefined;
  /** sha256 of the file from its beginning to the piece's end: of pieces that came in order, where it costs nothing. */
  readonly upTo?: string | undefined;
  /** Label of the source. */
  readonly source: string;
  /** From the journal of a former run: to be compared with what the disk holds. */
  readonly isResumed?: boolean;
}

export class PieceMap {
  readonly sizeBytes: number;
  readonly pieceBytes: number;
  readonly count: number;
  readonly #done: (PieceRecord | undefined)[];
  /** Who fetches a piece. */
  readonly #owner: (Span | undefined)[];
  readonly #spans = new Set<Span>();
  #doneBytes = 0;
  /** No piece before this one is free; keeps claiming from walking the whole list each time. */
  #firstFree = 0;

  /** Pieces of a stretch: fewer for a small file, so that every connection has some. */
  readonly #spanPieces: number;

  constructor(sizeBytes: number, pieceBytes = PIECE_BYTES, connections = 1) {
    this.sizeBytes = sizeBytes;
    this.pieceBytes = pieceBytes;
    this.count = Math.ceil(sizeBytes / pieceBytes);
    this.#spanPieces = Math.max(1, Math.min(MAX_SPAN_PIECES, Math.ceil(this.count / (2 * connections))));
    this.#done = new Array(this.count).fill(undefined);
    this.#owner = new Array(this.count).fill(undefined);
  }

  get doneBytes(): number {
    return this.#doneBytes;
  }

  get isComplete(): boolean {
    return this.#doneBytes === this.sizeBytes;
  }

  startOf(piece: number): number {
    return piece * this.pieceBytes;
  }

  /** Exclusive. */
  endOf(piece: number): number {
    return Math.min(this.sizeBytes, (piece + 1) * this.pieceBytes);
  }

  record(piece: number): PieceRecord | undefined {
    return this.#done[piece];
  }

  isOwnedBy(piece: number, span: Span): boolean {
    return this.#owner[piece] === span;
  }

  finish(piece: number, record: PieceRecord): void {
    if (!this.#done[piece]) this.#doneBytes += this.endOf(piece) - this.startOf(piece);
    this.#done[piece] = record;
    this.#owner[piece] = undefined;
  }

  /** Makes a piece free again: its bytes were not what they should be. */
  forget(piece: number): void {
    if (this.#done[piece]) this.#doneBytes -= this.endOf(piece) - this.startOf(piece);
    this.#done[piece] = undefined;
    this.#firstFree = Math.min(this.#firstFree, piece);
  }

  /**
   * The next stretch to fetch, or undefined when all pieces are here or on their way. Of the longest one that
   * `isWorthSharing`, an idle connection takes the second half.
   */
  claim(isWorthSharing: (span: Span) => boolean = () => true): Span | undefined {
    while (this.#firstFree < this.count && !this.#isFree(this.#firstFree)) this.#firstFree++;
    if (this.#firstFree === this.count) return this.#share(isWorthSharing);
    const first = this.#firstFree;
    let end = first + 1;
    while (end < this.count && end - first < this.#spanPieces && this.#isFree(end)) end++;
    return this.#take(first, end, false);
  }

  /**
   * Every free piece in one stretch to the file's end, for a server that sends the whole file only: the others in it
   * are read over, or taken on the way if they become free.
   */
  claimAll(): Span | undefined {
    const first = this.#done.findIndex((_, piece) => this.#isFree(piece));
    return first < 0 ? undefined : this.#take(first, this.count, true);
  }

  /** Takes a piece that is just passing by and that nobody else fetches. */
  takePassing(piece: number, span: Span): void {
    if (span.isWhole && this.#isFree(piece)) this.#owner[piece] = span;
  }

  /** Gives back what a connection did not finish. */
  release(span: Span): void {
    this.#spans.delete(span);
    for (let piece = span.first; piece < this.count; piece++)
      if (this.#owner[piece] === span) {
        this.#owner[piece] = undefined;
        this.#firstFree = Math.min(this.#firstFree, piece);
      } else if (piece >= span.end) break;
  }

  #isFree(piece: number): boolean {
    return !this.#done[piece] && !this.#owner[piece];
  }

  #take(first: number, end: number, isWhole: boolean): Span {
    const span: Span = { first, end, at: first, isWhole };
    for (let piece = first; piece < end; piece++) if (this.#isFree(piece)) this.#owner[piece] = span;
    this.#spans.add(span);
    return span;
  }

  /** The second half of what the busiest connection has still before it. */
  #share(isWorthSharing: (span: Span) => boolean): Span | undefined {
    let busiest: Span | undefined;
    for (const span of this.#spans) {
      const left = span.end - span.at;
      if (span.isWhole || left < MIN_SHARED_PIECES || (busiest && left <= busiest.end - busiest.at)) continue;
      if (isWorthSharing(span)) busiest = span;
    }
    if (!busiest) return undefined;
    const middle = busiest.end - Math.floor((busiest.end - busiest.at) / 2);
    const end = busiest.end;
    for (let piece = middle; piece < end; piece++) if (this.#owner[piece] === busiest) this.#owner[piece] = undefined;
    busiest.end = middle;
    return this.#take(middle, end, false);
  }
}
