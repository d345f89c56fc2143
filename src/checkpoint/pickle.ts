/**
 * A pickle machine that only makes data (protocols 0 to 5). Opcodes are those of Python's Lib/pickletools.py; globals go
 * through the allow-list in pickle-globals.ts, and there is no way from a pickle to any code: calls make records.
 */
import { MAX_PICKLE_BYTES, PickleCursor, PickleCutOff } from './pickle-cursor.ts';
import { allowGlobal, construct, storageOfPersistentId } from './pickle-globals.ts';
import { describe, OpaqueObject, type PickleValue, type StorageRecord } from './pickle-values.ts';
import { malformedPickle, unsafePickle } from './refusals.ts';

/** Values on the stack, and open marks: lists are filled in batches of 1000, nesting is a dozen deep. */
const MAX_STACK = 1_000_000;
const MAX_MARKS = 10_000;
/** One memo entry per string, tuple and dictionary. */
const MAX_MEMO = 4_000_000;
/** Elements put into tuples, lists, dictionaries and sets all together; a repeated copy must not multiply memory. */
const MAX_ITEMS = 16_000_000;

export interface Pickle {
  readonly value: PickleValue;
  /** Every storage that a persistent id named, by key: the first record of each. */
  readonly storages: ReadonlyMap<string, StorageRecord>;
  /** Offset of the first byte after STOP. */
  readonly end: number;
}

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
  const machine = new Machine(new PickleCursor(bytes, start, where));
  for (;;) {
    const code = machine.input.byte();
    if (code === STOP) return { value: machine.finish(), storages: machine.storages, end: machine.input.at };
    const run = OPCODES.get(code);
    if (!run) throw machine.malformed(`unknown opcode 0x${code.toString(16).padStart(2, '0')}`);
    run(machine);
  }
}

// --- internal ---

const STOP = 0x2e;

/** What each opcode does, by its byte and its name in pickletools. */
const INSTRUCTIONS: readonly (readonly [code: number, name: string, run: (machine: Machine) => void])[] = [
  // Frame and protocol
  [0x80, 'PROTO', (m) => m.protocol(m.input.byte())],
  [0x95, 'FRAME', (m) => m.input.requireAhead(m.input.count64())], // only says how much follows
  // Constants and numbers
  [0x4e, 'NONE', (m) => m.push(null)],
  [0x88, 'NEWTRUE', (m) => m.push(true)],
  [0x89, 'NEWFALSE', (m) => m.push(false)],
  [0x4a, 'BININT', (m) => m.push(m.input.take(4).getInt32(0, true))],
  [0x4b, 'BININT1', (m) => m.push(m.input.byte())],
  [0x4d, 'BININT2', (m) => m.push(m.input.uint16())],
  [0x8a, 'LONG1', (m) => m.push(m.input.long(m.input.byte()))],
  [0x8b, 'LONG4', (m) => m.push(m.input.long(m.input.uint32()))],
  [0x47, 'BINFLOAT', (m) => m.push(m.input.take(8).getFloat64(0, false))],
  [0x49, 'INT', (m) => m.push(m.input.intLine())],
  [0x4c, 'LONG', (m) => m.push(m.input.decimal(m.input.line().replace(/L$/, '')))],
  [0x46, 'FLOAT', (m) => m.push(m.input.floatLine())],
  // Text and bytes
  [0x58, 'BINUNICODE', (m) => m.push(m.input.text(m.input.uint32()))],
  [0x8c, 'SHORT_BINUNICODE', (m) => m.push(m.input.text(m.input.byte()))],
  [0x8d, 'BINUNICODE8', (m) => m.push(m.input.text(m.input.count64()))],
  [0x54, 'BINSTRING', (m) => m.push(m.input.oldText(m.input.uint32()))],
  [0x55, 'SHORT_BINSTRING', (m) => m.push(m.input.oldText(m.input.byte()))],
  [0x42, 'BINBYTES', (m) => m.push(m.input.bytes(m.input.uint32()))],
  [0x43, 'SHORT_BINBYTES', (m) => m.push(m.input.bytes(m.input.byte()))],
  [0x8e, 'BINBYTES8', (m) => m.push(m.input.bytes(m.input.count64()))],
  [0x96, 'BYTEARRAY8', (m) => m.push(m.input.bytes(m.input.count64()))],
  [0x56, 'UNICODE', (m) => m.push(m.input.escapedLine())],
  [0x53, 'STRING', (m) => m.push(m.input.quotedLine())],
  // Tuples, lists, dictionaries, sets
  [0x28, 'MARK', (m) => m.mark()],
  [0x29, 'EMPTY_TUPLE', (m) => m.push(m.tuple([]))],
  [0x85, 'TUPLE1', (m) => m.push(m.tuple(m.popMany(1)))],
  [0x86, 'TUPLE2', (m) => m.push(m.tuple(m.popMany(2)))],
  [0x87, 'TUPLE3', (m) => m.push(m.tuple(m.popMany(3)))],
  [0x74, 'TUPLE', (m) => m.push(m.tuple(m.popToMark()))],
  [0x5d, 'EMPTY_LIST', (m) => m.push([])],
  [0x6c, 'LIST', (m) => m.push(m.popToMark())],
  [0x61, 'APPEND', (m) => m.append(m.popMany(1))],
  [0x65, 'APPENDS', (m) => m.append(m.popToMark())],
  [0x7d, 'EMPTY_DICT', (m) => m.push(new Map())],
  [0x64, 'DICT', (m) => m.push(m.setItems(new Map(), m.popToMark()))],
  [0x73, 'SETITEM', (m) => m.setItemsOnTop(m.popMany(2))],
  [0x75, 'SETITEMS', (m) => m.setItemsOnTop(m.popToMark())],
  [0x8f, 'EMPTY_SET', (m) => m.push(new Set())],
  [0x90, 'ADDITEMS', (m) => m.addItems(m.popToMark())],
  [0x91, 'FROZENSET', (m) => m.push(new Set(m.popToMark()))],
  // Stack and memo
  [0x30, 'POP', (m) => m.popOrUnmark()],
  [0x31, 'POP_MARK', (m) => void m.popToMark()],
  [0x32, 'DUP', (m) => m.push(m.top())],
  [0x71, 'BINPUT', (m) => m.memoize(m.input.byte())],
  [0x72, 'LONG_BINPUT', (m) => m.memoize(m.input.uint32())],
  [0x94, 'MEMOIZE', (m) => m.memoize(m.memoSize)],
  [0x70, 'PUT', (m) => m.memoize(m.input.index(m.input.line()))],
  [0x68, 'BINGET', (m) => m.push(m.recall(m.input.byte()))],
  [0x6a, 'LONG_BINGET', (m) => m.push(m.recall(m.input.uint32()))],
  [0x67, 'GET', (m) => m.push(m.recall(m.input.index(m.input.line())))],
  // Globals and objects: data only
  [0x63, 'GLOBAL', (m) => m.push(allowGlobal(m.input.line(), m.input.line(), m.where))],
  [0x93, 'STACK_GLOBAL', (m) => m.stackGlobal()],
  [0x52, 'REDUCE', (m) => m.call(1)],
  [0x81, 'NEWOBJ', (m) => m.call(1)],
  [0x92, 'NEWOBJ_EX', (m) => m.call(2)],
  [0x62, 'BUILD', (m) => m.build()],
  [0x69, 'INST', (m) => m.instance()],
  [0x6f, 'OBJ', (m) => m.object()],
  [0x51, 'BINPERSID', (m) => m.persistent(m.pop())],
  [0x50, 'PERSID', (m) => m.persistent(m.input.line())],
  // Ways to name globals or buffers that no allow-list can see
  [0x82, 'EXT1', (m) => m.refuse('EXT1')],
  [0x83, 'EXT2', (m) => m.refuse('EXT2')],
  [0x84, 'EXT4', (m) => m.refuse('EXT4')],
  [0x97, 'NEXT_BUFFER', (m) => m.refuse('NEXT_BUFFER')],
  [0x98, 'READONLY_BUFFER', (m) => m.refuse('READONLY_BUFFER')],
];
const OPCODES = new Map(INSTRUCTIONS.map(([code, , run]) => [code, run]));

class Machine {
  readonly input: PickleCursor;
  readonly where: string;
  readonly storages = new Map<string, StorageRecord>();
  readonly #stack: PickleValue[] = [];
  /** Heights of the stack at the open marks. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #items = 0;

  constructor(input: PickleCursor) {
    this.input = input;
    this.where = input.where;
  }

  malformed(what: string): Error {
    return this.input.malformed(what);
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
    const callee = allowGlobal(this.input.line(), this.input.line(), this.where);
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
