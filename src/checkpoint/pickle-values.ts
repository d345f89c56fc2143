/** What a checkpoint's pickle can stand for: plain data, and inert records of storages, tensors and foreign objects. */
import type { Dtype } from '../tensor/dtype.ts';

/** Tuples are frozen arrays, dictionaries (ordered or not) are Maps. Integers beyond ±2^53 are bigints. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>
  | AllowedGlobal
  | OpaqueObject
  | StorageRecord
  | TensorRecord;

/** A global that the allow-list knows. `construct` says what calling it makes; without it, calling is refused. */
export class AllowedGlobal {
  readonly name: string;
  readonly construct: ((args: readonly PickleValue[], where: string) => PickleValue) | undefined;
  /** Set for torch's storage classes. */
  readonly storageDtype: Dtype | undefined;

  constructor(name: string, construct?: AllowedGlobal['construct'], storageDtype?: Dtype) {
    this.name = name;
    this.construct = construct;
    this.storageDtype = storageDtype;
  }
}

/** An object of a class that fsb does not have: its class name, arguments and state as data. No code belongs to it. */
export class OpaqueObject {
  readonly className: string;
  readonly args: readonly PickleValue[];
  /** What BUILD gave it: a Map of attributes, or whatever the class would have made of. */
  state: PickleValue = null;

  constructor(className: string, args: readonly PickleValue[]) {
    this.className = className;
    this.args = args;
  }

  /** The attributes by name; empty when the state is something else. */
  get attributes(): ReadonlyMap<PickleValue, PickleValue> {
    return this.state instanceof Map ? this.state : new Map();
  }
}

/** A persistent id ('storage', class, key, device, elements[, view]). Its numbers are claims, not yet checked. */
export class StorageRecord {
  readonly key: string;
  readonly dtype: Dtype;
  readonly elementCount: number;
  /** A window of the storage, which streams from before torch 1.6 may name: [first element, count]. */
  readonly window: readonly [number, number] | undefined;

  constructor(key: string, dtype: Dtype, elementCount: number, window?: readonly [number, number]) {
    this.key = key;
    this.dtype = dtype;
    this.elementCount = elementCount;
    this.window = window;
  }
}

/** The arguments of _rebuild_tensor_v2. Its numbers are claims, not yet checked. */
export class TensorRecord {
  readonly storage: StorageRecord;
  /** In elements. */
  readonly offset: number;
  readonly shape: readonly number[];
  /** In elements. */
  readonly strides: readonly number[];

  constructor(storage: StorageRecord, offset: number, shape: readonly number[], strides: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** A one-line description for messages. */
export function describe(value: PickleValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value instanceof AllowedGlobal) return `the global ${value.name}`;
  if (value instanceof OpaqueObject) return `a ${value.className}`;
  if (value instanceof StorageRecord) return `storage ${JSON.stringify(value.key)}`;
  if (value instanceof TensorRecord) return `a tensor [${value.shape.join(', ')}]`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (value instanceof Map) return `a dictionary of ${value.size}`;
  if (value instanceof Set) return `a set of ${value.size}`;
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (Array.isArray(value)) return `a sequence of ${value.length}`;
  return String(value);
}
