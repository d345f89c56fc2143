/** Reads a pickle's bytes from front to back: the numbers, lengths and texts that follow opcodes. */
import { malformedPickle } from './refusals.ts';

/** The largest pickle beside weights here has 0.2 MB; with the state of an optimizer some MB. */
export const MAX_PICKLE_BYTES = 64 * 1024 * 1024;
/** Integers of more bytes or digits than this are not counts, ids or seeds. */
const MAX_INTEGER_BYTES = 1024;

/** Thrown when the bytes end before STOP: a caller who has more bytes may try again with them. */
export class PickleCutOff extends Error {}

export class PickleCursor {
  /** File and entry, for messages. */
  readonly where: string;
  /** Offset of the next byte. */
  at: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, start: number, where: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = start;
    this.where = where;
  }

  malformed(what: string): Error {
    return malformedPickle(this.where, `${what} before byte ${this.at} of the pickle`);
  }

  requireAhead(count: number): void {
    if (this.at + count > this.#bytes.length) throw new PickleCutOff();
  }

  take(count: number): DataView {
    this.requireAhead(count);
    this.at += count;
    return new DataView(this.#view.buffer, this.#view.byteOffset + this.at - count, count);
  }

  byte(): number {
    if (this.at >= this.#bytes.length) throw new PickleCutOff();
    return this.#bytes[this.at++]!;
  }

  uint16(): number {
    this.requireAhead(2);
    this.at += 2;
    return this.#view.getUint16(this.at - 2, true);
  }

  uint32(): number {
    this.requireAhead(4);
    this.at += 4;
    return this.#view.getUint32(this.at - 4, true);
  }

  count64(): number {
    const view = this.take(8);
    const count = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
    if (count > MAX_PICKLE_BYTES) throw this.malformed(`a length of ${count} bytes (at most ${MAX_PICKLE_BYTES})`);
    return count;
  }

  bytes(length: number): Uint8Array {
    this.requireAhead(length);
    this.at += length;
    return new Uint8Array(this.#bytes.subarray(this.at - length, this.at)); // a copy, also of a Buffer
  }

  text(length: number): string {
    this.requireAhead(length);
    this.at += length;
    return Buffer.from(this.#view.buffer, this.#view.byteOffset + this.at - length, length).toString('utf8');
  }

  /** A Python 2 string: UTF-8 when it is, else one character per byte. */
  oldText(length: number): string {
    const bytes = this.bytes(length);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      return Buffer.from(bytes).toString('latin1');
    }
  }

  /** Up to the next line feed, without it. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new PickleCutOff();
    const text = this.text(end - this.at);
    this.at = end + 1;
    return text;
  }

  /** A line of protocol 0's Unicode text. */
  escapedLine(): string {
    return unescapeUnicode(this.line());
  }

  /** A line of protocol 0's quoted bytes. */
  quotedLine(): string {
    const text = this.line();
    const quote = text[0];
    if (text.length < 2 || (quote !== "'" && quote !== '"') || text.at(-1) !== quote)
      throw this.malformed('a string without its quotes');
    return unescapeBytes(text.slice(1, -1));
  }

  /** Little-endian two's complement. */
  long(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES)
      throw this.malformed(`an integer of ${length} bytes (at most ${MAX_INTEGER_BYTES})`);
    const bytes = this.bytes(length);
    if (length === 0) return 0;
    const unsigned = BigInt(`0x${Buffer.from(bytes.reverse()).toString('hex')}`);
    return narrow(BigInt.asIntN(length * 8, unsigned));
  }

  decimal(text: string): number | bigint {
    if (text.length > MAX_INTEGER_BYTES || !/^-?\d+$/.test(text)) throw this.malformed('a malformed integer');
    return narrow(BigInt(text));
  }

  intLine(): number | bigint | boolean {
    const text = this.line();
    if (text === '00' || text === '01') return text === '01'; // protocol 0's False and True
    return this.decimal(text);
  }

  floatLine(): number {
    const text = this.line();
    const value = Number({ inf: 'Infinity', '-inf': '-Infinity' }[text] ?? text);
    if (text.trim() === '' || (Number.isNaN(value) && text !== 'nan')) throw this.malformed('a malformed float');
    return value;
  }

  index(text: string): number {
    const value = this.decimal(text);
    if (typeof value !== 'number' || value < 0) throw this.malformed(`memo index ${text}`);
    return value;
  }
}

// --- internal ---

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Python's raw-unicode-escape: \uXXXX and \UXXXXXXXX. */
function unescapeUnicode(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (whole, short?: string, long?: string) => {
    const point = Number.parseInt(short ?? long ?? '', 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}

/** The escapes that Python's repr of a byte string writes. */
function unescapeBytes(text: string): string {
  const named: Record<string, string> = { n: '\n', r: '\r', t: '\t', '\\': '\\', "'": "'", '"': '"' };
  return text.replace(/\\(?:x([0-9a-fA-F]{2})|(.))/g, (whole, hex?: string, letter?: string) =>
    hex !== undefined ? String.fromCharCode(Number.parseInt(hex, 16)) : (named[letter ?? ''] ?? whole),
  );
}
