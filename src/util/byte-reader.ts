/** Reads a stream of chunks as one goes through a file: so many bytes, then so many, sometimes a few back. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  /** Came, and not read yet. */
  #ahead: Buffer = Buffer.alloc(0);
  #position = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#position;
  }

  /** What comes next, at most so many bytes; undefined at the end. */
  async some(maxBytes: number): Promise<Buffer | undefined> {
    while (this.#ahead.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done) return undefined;
      this.#ahead = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    const bytes = this.#ahead.subarray(0, maxBytes);
    this.#ahead = this.#ahead.subarray(bytes.length);
    this.#position += bytes.length;
    return bytes;
  }

  /** So many bytes, fewer only at the end. */
  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const bytes = await this.some(left);
      if (!bytes) break;
      parts.push(bytes);
      left -= bytes.length;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** Bytes that were read last and come next again. */
  giveBack(bytes: Buffer): void {
    this.#ahead = Buffer.concat([bytes, this.#ahead]);
    this.#position -= bytes.length;
  }

  /** As `take`, without going on. */
  async peek(length: number): Promise<Buffer> {
    const bytes = await this.take(length);
    this.giveBack(bytes);
    return bytes;
  }

  /** Nothing more is read. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
