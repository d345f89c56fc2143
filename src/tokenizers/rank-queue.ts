/** Positions waiting under their ranks; the lowest rank comes first, with all its positions from left to right. */

export interface RankedPositions {
  readonly rank: number;
  readonly positions: readonly number[];
}

export class RankQueue {
  readonly #positions = new Map<number, number[]>();
  /** Binary heap of the ranks that wait. */
  readonly #ranks: number[] = [];

  push(rank: number, position: number): void {
    const positions = this.#positions.get(rank);
    if (positions) {
      positions.push(position);
      return;
    }
    this.#positions.set(rank, [position]);
    this.#rise(this.#ranks.push(rank) - 1);
  }

  /** Takes the lowest rank out; undefined when nothing waits. */
  shift(): RankedPositions | undefined {
    const rank = this.#ranks[0];
    if (rank === undefined) return undefined;
    const last = this.#ranks.pop()!;
    if (this.#ranks.length > 0) {
      this.#ranks[0] = last;
      this.#sink();
    }
    const positions = this.#positions.get(rank)!;
    this.#positions.delete(rank);
    return { rank, positions: positions.sort((a, b) => a - b) };
  }

  #rise(from: number): void {
    for (let i = from; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (this.#ranks[parent]! <= this.#ranks[i]!) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #sink(): void {
    for (let i = 0; ; ) {
      const left = 2 * i + 1;
      const right = left + 1;
      let least = i;
      if (left < this.#ranks.length && this.#ranks[left]! < this.#ranks[least]!) least = left;
      if (right < this.#ranks.length && this.#ranks[right]! < this.#ranks[least]!) least = right;
      if (least === i) return;
      this.#swap(i, least);
      i = least;
    }
  }

  #swap(a: number, b: number): void {
    const rank = this.#ranks[a]!;
    this.#ranks[a] = this.#ranks[b]!;
    this.#ranks[b] = rank;
  }
}
