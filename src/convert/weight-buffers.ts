/** Memory that conversion uses again for each weight: fresh pages cost more time than the numbers written into them. */
export class WeightBuffers {
  readonly #chunks = [new ArrayBuffer(0), new ArrayBuffer(0)];
  readonly #held: ArrayBuffer[] = [];
  #turn = 0;
  #used = 0;

  /** Memory for a piece of output. It stays untouched until the call after the next: one piece is written, one made. */
  chunk(length: number): ArrayBuffer {
    this.#turn = 1 - this.#turn;
    const buffer = this.#chunks[this.#turn]!;
    if (buffer.byteLength >= length) return buffer;
    const larger = new ArrayBuffer(length);
    this.#chunks[this.#turn] = larger;
    return larger;
  }

  /** Memory for input, until `release`. */
  readonly hold = (length: number): Uint8Array => {
    const slot = this.#used++;
    const buffer = this.#held[slot];
    if (buffer && buffer.byteLength >= length) return new Uint8Array(buffer, 0, length);
    const larger = new ArrayBuffer(length);
    this.#held[slot] = larger;
    return new Uint8Array(larger);
  };

  /** Everything held may be given out again. */
  release(): void {
    this.#used = 0;
  }
}
