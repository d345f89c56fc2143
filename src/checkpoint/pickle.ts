/**
 * A pickle machine that only makes data (protocols 0 to 5). Opcodes are those of Python's Lib/pickletools.py; globals go
 * through the allow-list in pickle-globals.ts, and there is no way from a pickle to any code: calls make records.
 */
import { allowGlobal, construct, storageOfPersistentId } from './pickle-globals.ts';
import { describe, OpaqueObject, type PickleValue, type StorageRecord } from './pickle-values.ts';
import { malformedPickle, unsafePickle } from './refusals.ts';

/** The largest pickle beside weights here has 0.2 MB; with the state of an optimizer some MB. */
export const MAX_PICKLE_BYTES = 64 * 1024 * 1024;
/** Values on the stack, and open marks: lists are filled in batches of 1000, nesting is a dozen deep. */
const MAX_STACK = 1_000_000;
const MAX_MARKS = 10_000;
/** One memo entry per string, tuple and dictionary. */
const MAX_MEMO = 4_000_000;
/** Elements put into tuples, lists, dictionaries and sets all together; a repeated copy must not multiply memory. */
const MAX_ITEMS = 16_000_000;
/** Integers of more bytes or digits than this are not counts, ids or seeds. */
const MAX_INTEGER_BYTES = 1024;

export interface Pickle {
  readonly value: PickleValue;
  /** Every storage that a persistent id named, by key: the first record of each. */
  readonly storages: ReadonlyMap<string, StorageRecord>;
  /** Offset of the first byte after STOP. */
  readonly end: number;
}

/** Thrown when the bytes end before STOP: a caller who has more bytes may try again with them. */
export class PickleCutOff extends Error {}

/**
 * Runs the pickle that begins at `start`. `where` (file and entry) goes into messages.
 * Throws IntegrityError: unsafe-pickle, malformed-pickle or bad-tensor.
 */
export function readPickle(bytes: Uint8Array, where: string, start = 0): Pickle {
  try {
    return runPickle(bytes, where, start);
  } catch (error) {
    if (!(error instanceof PickleCutOff)) throw error;
    throw malformedPickle(where, `the pickle is cut off: its ${bytes.length - start} bytes end before its STOP`);
  }
}

/** As readPickle, but throws PickleCutOff when the bytes end before STOP. */
export function runPickle(bytes: Uint8Array, where: string, start = 0): Pickle {
  if (bytes.length - start > MAX_PICKLE_BYTES)
    throw malformedPickle(where, `the pickle has ${bytes.length - start} bytes; at most ${MAX_PICKLE_BYTES} are read`);
  const machine = new Machine(bytes, start, where);
  for (;;) {
    const code = machine.byte();
    if (code === STOP) return { value: machine.finish(), storages: machine.storages, end: machine.at };
    const run = OPCODES[code];
    if (!run) throw machine.malformed(`unknown opcode 0x${code.toString(16).padStart(2, '0')}`);
    run(machine);
  }
}

// --- internal ---

const STOP = 0x2e;

/** What each opcode does, by its byte (written as pickletools writes it). */
const OPCODES: Record<number, (m: Machine) => void> = {
  // Frame and protocol
  128: (m) => m.protocol(m.byte()), // PROTO
  149: (m) => m.requireAhead(m.count64()), // FRAME: only says how much follows
  // Constants and numbers
  78: (m) => m.push(null), // NONE
  136: (m) => m.push(true), // NEWTRUE
  137: (m) => m.push(false), // NEWFALSE
  74: (m) => m.push(m.take(4).getInt32(0, true)), // BININT
  75: (m) => m.push(m.byte()), // BININT1
  77: (m) => m.push(m.uint16()), // BININT2
  138: (m) => m.push(m.long(m.byte())), // LONG1
  139: (m) => m.push(m.long(m.uint32())), // LONG4
  71: (m) => m.push(m.take(8).getFloat64(0, false)), // BINFLOAT
  73: (m) => m.push(m.intLine()), // INT
  76: (m) => m.push(m.decimal(m.line().replace(/L$/, ''))), // LONG
  70: (m) => m.push(m.floatLine()), // FLOAT
  // Text and bytes
  88: (m) => m.push(m.text(m.uint32())), // BINUNICODE
  140: (m) => m.push(m.text(m.byte())), // SHORT_BINUNICODE
  141: (m) => m.push(m.text(m.count64())), // BINUNICODE8
  84: (m) => m.push(m.oldText(m.uint32())), // BINSTRING
  85: (m) => m.push(m.oldText(m.byte())), // SHORT_BINSTRING
  66: (m) => m.push(m.bytes(m.uint32())), // BINBYTES
  67: (m) => m.push(m.bytes(m.byte())), // SHORT_BINBYTES
  142: (m) => m.push(m.bytes(m.count64())), // BINBYTES8
  150: (m) => m.push(m.bytes(m.count64())), // BYTEARRAY8
  86: (m) => m.push(unescapeUnicode(m.line())), // UNICODE
  83: (m) => m.push(m.quotedLine()), // STRING
  // Tuples, lists, dictionaries, sets
  40: (m) => m.mark(), // MARK
  41: (m) => m.push(m.tuple([])), // EMPTY_TUPLE
  133: (m) => m.push(m.tuple(m.popMany(1))), // TUPLE1
  134: (m) => m.push(m.tuple(m.popMany(2))), // TUPLE2
  135: (m) => m.push(m.tuple(m.popMany(3))), // TUPLE3
  116: (m) => m.push(m.tuple(m.popToMark())), // TUPLE
  93: (m) => m.push([]), // EMPTY_LIST
  108: (m) => m.push(m.popToMark()), // LIST
  97: (m) => m.append(m.popMany(1)), // APPEND
  101: (m) => m.append(m.popToMark()), // APPENDS
  125: (m) => m.push(new Map()), // EMPTY_DICT
  100: (m) => m.push(m.setItems(new Map(), m.popToMark())), // DICT
  115: (m) => m.setItemsOnTop(m.popMany(2)), // SETITEM
  117: (m) => m.setItemsOnTop(m.popToMark()), // SETITEMS
  143: (m) => m.push(new Set()), // EMPTY_SET
  144: (m) => m.addItems(m.popToMark()), // ADDITEMS
  145: (m) => m.push(new Set(m.popToMark())), // FROZENSET
  // Stack and memo
  48: (m) => m.popOrUnmark(), // POP
  49: (m) => void m.popToMark(), // POP_MARK
  50: (m) => m.push(m.top()), // DUP
  113: (m) => m.memoize(m.byte()), // BINPUT
  114: (m) => m.memoize(m.uint32()), // LONG_BINPUT
  148: (m) => m.memoize(m.memoSize), // MEMOIZE
  112: (m) => m.memoize(m.index(m.line())), // PUT
  104: (m) => m.push(m.recall(m.byte())), // BINGET
  106: (m) => m.push(m.recall(m.uint32())), // LONG_BINGET
  103: (m) => m.push(m.recall(m.index(m.line()))), // GET
  // Globals and objects: data only
  99: (m) => m.push(allowGlobal(m.line(), m.line(), m.where)), // GLOBAL
  147: (m) => m.stackGlobal(), // STACK_GLOBAL
  82: (m) => m.call(1), // REDUCE
  129: (m) => m.call(1), // NEWOBJ
  146: (m) => m.call(2), // NEWOBJ_EX
  98: (m) => m.build(), // BUILD
  105: (m) => m.instance(), // INST
  111: (m) => m.object(), // OBJ
  81: (m) => m.persistent(m.pop()), // BINPERSID
  80: (m) => m.persistent(m.line()), // PERSID
  // Ways to name globals or buffers that no allow-list can see
  130: (m) => m.refuse('EXT1'),
  131: (m) => m.refuse('EXT2'),
  132: (m) => m.refuse('EXT4'),
  151: (m) => m.refuse('NEXT_BUFFER'),
  152: (m) => m.refuse('READONLY_BUFFER'),
};

class Machine {
  readonly where: string;
  readonly storages = new Map<string, StorageRecord>();
  at: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #stack: PickleValue[] = [];
  /** Heights of the stack at the open marks. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #items = 0;

  constructor(bytes: Uint8Array, start: number, where: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = start;
    this.where = where;
  }

  malformed(what: string): Error {
    return malformedPickle(this.where, `${what} before byte ${this.at} of the pickle`);
  }

  refuse(opcode: string): never {
    throw unsafePickle(this.where, `the pickle uses ${opcode}, which refers to something outside of it; refused`);
  }

  protocol(version: number): void {
    if (version > 5) throw this.malformed(`pickle protocol ${version}; 0 to 5 are known`);
  }

  finish(): PickleValue {
    const value = this.pop();
    if (this.#stack.length > 0 || this.#marks.length > 0) throw this.malformed('values are left on the stack');
    return value;
  }

  // Reading

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

  // Stack and memo

  push(value: PickleValue): void {
    if (this.#stack.length >= MAX_STACK) throw this.malformed(`more than ${MAX_STACK} values on the stack`);
    this.#stack.push(value);
  }

  top(): PickleValue {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw this.malformed('a value is missing on the stack');
    return this.#stack.at(-1)!;
  }

  pop(): PickleValue {
    this.top();
    return this.#stack.pop()!;
  }

  popMany(count: number): PickleValue[] {
    if (this.#stack.length - (this.#marks.at(-1) ?? 0) < count) throw this.malformed('a value is missing on the stack');
    return this.#counted(this.#stack.splice(-count));
  }

  mark(): void {
    if (this.#marks.length >= MAX_MARKS) throw this.malformed(`more than ${MAX_MARKS} open marks`);
    this.#marks.push(this.#stack.length);
  }

  popToMark(): PickleValue[] {
    const height = this.#marks.pop();
    if (height === undefined) throw this.malformed('a mark is missing');
    return this.#counted(this.#stack.splice(height));
  }

  popOrUnmark(): void {
    if (this.#stack.length === this.#marks.at(-1)) this.#marks.pop();
    else this.pop();
  }

  get memoSize(): number {
    return this.#memo.size;
  }

  memoize(index: number): void {
    if (this.#memo.size >= MAX_MEMO) throw this.malformed(`more than ${MAX_MEMO} memo entries`);
    this.#memo.set(index, this.top());
  }

  recall(index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.malformed(`memo entry ${index} was never written`);
    return value;
  }

  // Collections

  tuple(items: PickleValue[]): PickleValue {
    return Object.freeze(items);
  }

  append(items: PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list) || Object.isFrozen(list)) throw this.malformed(`an append to ${describe(list)}`);
    for (const item of items) list.push(item);
  }

  setItems(map: Map<PickleValue, PickleValue>, items: PickleValue[]): Map<PickleValue, PickleValue> {
    if (items.length % 2 !== 0) throw this.malformed('a key without a value');
    for (let i = 0; i < items.length; i += 2) map.set(items[i]!, items[i + 1]!);
    return map;
  }

  setItemsOnTop(items: PickleValue[]): void {
    const map = this.top();
    if (!(map instanceof Map)) throw this.malformed(`an item set on ${describe(map)}`);
    this.setItems(map, items);
  }

  addItems(items: PickleValue[]): void {
    const set = this.top();
    if (!(set instanceof Set)) throw this.malformed(`an item added to ${describe(set)}`);
    for (const item of items) set.add(item);
  }

  // Globals and objects

  stackGlobal(): void {
    const [module, name] = this.popMany(2);
    if (typeof module !== 'string' || typeof name !== 'string')
      throw this.malformed(`a global named by ${describe(module)} and ${describe(name)}`);
    this.push(allowGlobal(module, name, this.where));
  }

  /** REDUCE and NEWOBJ: callee, arguments; NEWOBJ_EX: also keyword arguments, which no class here has. */
  call(argumentCount: 1 | 2): void {
    const [callee, args, keywords] = this.popMany(1 + argumentCount);
    if (!Array.isArray(args)) throw this.malformed(`arguments that are ${describe(args)}`);
    if (keywords !== undefined && !(keywords instanceof Map && keywords.size === 0))
      throw this.malformed(`keyword arguments that are ${describe(keywords)}`);
    this.#construct(callee!, args as PickleValue[]);
  }

  persistent(id: PickleValue): void {
    const record = storageOfPersistentId(id, this.where);
    if (!this.storages.has(record.key)) this.storages.set(record.key, record);
    this.push(record);
  }

  /** INST: like GLOBAL, then a call with what lies above the mark. */
  instance(): void {
    const callee = allowGlobal(this.line(), this.line(), this.where);
    this.#construct(callee, this.popToMark());
  }

  /** OBJ: the class lies first above the mark. */
  object(): void {
    const [callee, ...args] = this.popToMark();
    if (callee === undefined) throw this.malformed('an object without its class');
    this.#construct(callee, args);
  }

  /**
   * Gives an object its state. On an OrderedDict that is torch's `_metadata` (versions of modules), which says nothing
   * about the weights; only opaque objects keep theirs.
   */
  build(): void {
    const state = this.pop();
    const target = this.top();
    if (target instanceof OpaqueObject) target.state = state;
    else if (!(target instanceof Map))
      throw unsafePickle(this.where, `the pickle gives a state to ${describe(target)}, which has none; refused`);
  }

  #construct(callee: PickleValue, args: PickleValue[]): void {
    for (const arg of args) if (Array.isArray(arg)) this.#countItems(arg.length); // an OrderedDict copies its pairs
    for (const arg of args) if (arg instanceof Map) this.#countItems(arg.size);
    this.push(construct(callee, args, this.where));
  }

  #counted(items: PickleValue[]): PickleValue[] {
    this.#countItems(items.length);
    return items;
  }

  #countItems(count: number): void {
    this.#items += count;
    if (this.#items > MAX_ITEMS) throw this.malformed(`more than ${MAX_ITEMS} items in its collections`);
  }
}

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
