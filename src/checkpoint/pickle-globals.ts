/**
 * The allow-list: every global that a checkpoint's pickle may name, and what calling it makes. Nothing is looked up in a
 * module and nothing is executed; a global that is not here is refused when it is named, before anything is called.
 */
import { findDtype } from '../tensor/dtype.ts';
import {
  AllowedGlobal,
  describe,
  OpaqueObject,
  type PickleValue,
  StorageRecord,
  TensorRecord,
} from './pickle-values.ts';
import { badTensor, malformedPickle, unsafePickle } from './refusals.ts';

/** Tensors have at most this many dimensions (torch's own limit is 64; the models here need 4). */
const MAX_DIMENSIONS = 32;
/** Storage keys are numbers, or addresses printed as numbers, in every version of torch. */
const STORAGE_KEY = /^[\w.-]{1,128}$/;

type Construct = NonNullable<AllowedGlobal['construct']>;

/** What calling the global means for the data. */
const CONSTRUCTORS: Readonly<Record<string, Construct>> = {
  'collections.OrderedDict': orderedDict,
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_parameter': (args, where) => {
    if (!(args[0] instanceof TensorRecord))
      throw badTensor(where, undefined, `a parameter must hold a tensor, found ${describe(args[0])}`);
    return args[0];
  },
  'torch.Size': (args, where) => {
    if (!Array.isArray(args[0])) throw malformedPickle(where, `torch.Size of ${describe(args[0])}`);
    return args[0];
  },
  '_codecs.encode': (args, where) => {
    if (typeof args[0] !== 'string' || args[1] !== 'latin1')
      throw malformedPickle(
        where,
        `_codecs.encode of ${describe(args[0])} as ${describe(args[1])}; expected text as latin1`,
      );
    return Uint8Array.from(args[0], (character) => character.charCodeAt(0));
  },
};

/** Classes whose objects are kept as data: they appear beside the weights in raw Megatron-LM files. */
const OPAQUE = new Set([
  'argparse.Namespace',
  'types.SimpleNamespace',
  'torch.device',
  'numpy.ndarray',
  'numpy.dtype',
  'numpy.core.multiarray._reconstruct',
  'numpy._core.multiarray._reconstruct',
  'numpy.core.multiarray.scalar',
  'numpy._core.multiarray.scalar',
]);
/** Megatron's own enumerations and settings (megatron.model.enums.LayerType, …). */
const OPAQUE_MODULE = /^megatron(\.[a-z_]\w*)*\.[A-Z]\w*$/;

const STORAGE_CLASS = /^torch\.(?:cuda\.)?(\w+Storage)$/;
/** torch.float16 and its like are constants; args name them. */
const TORCH_DTYPE =
  /^torch\.(?:float(?:16|32|64)?|half|double|bfloat16|u?int8|int(?:16|32|64)?|short|long|bool|complex(?:64|128))$/;

/** The global of this module and name, or unsafe-pickle. `where` is file and entry. */
export function allowGlobal(module: string, name: string, where: string): AllowedGlobal {
  const qualified = `${module}.${name}`;
  if (Object.hasOwn(CONSTRUCTORS, qualified)) return new AllowedGlobal(qualified, CONSTRUCTORS[qualified]);
  if (OPAQUE.has(qualified) || OPAQUE_MODULE.test(qualified))
    return new AllowedGlobal(qualified, (args) => new OpaqueObject(qualified, args));
  if (TORCH_DTYPE.test(qualified)) return new AllowedGlobal(qualified);
  const storageClass = STORAGE_CLASS.exec(qualified)?.[1];
  if (storageClass !== undefined) {
    const dtype = findDtype('torchStorage', storageClass);
    if (dtype === undefined)
      throw badTensor(where, undefined, `${qualified} holds a type of numbers that is not supported`);
    return new AllowedGlobal(qualified, undefined, dtype);
  }
  const shown = qualified.length > 200 ? `${qualified.slice(0, 200)}…` : qualified;
  throw unsafePickle(
    where,
    `the pickle names the global ${JSON.stringify(shown)}, which a file of weights has no use for; refused`,
    { global: qualified },
  );
}

/** Calls an allowed global, which makes data; anything else is refused. */
export function construct(callee: PickleValue, args: readonly PickleValue[], where: string): PickleValue {
  if (callee instanceof AllowedGlobal && callee.construct) return callee.construct(args, where);
  throw unsafePickle(where, `the pickle calls ${describe(callee)}, which may not be called; refused`);
}

/** The storage that a persistent id names: ('storage', class, key, device, elements[, view]). */
export function storageOfPersistentId(id: PickleValue, where: string): StorageRecord {
  if (!Array.isArray(id) || id.length < 5 || id[0] !== 'storage')
    throw malformedPickle(where, `expected the persistent id of a storage, found ${describe(id)}`);
  const [, kind, key, , elementCount, view = null] = id as readonly PickleValue[];
  if (!(kind instanceof AllowedGlobal) || kind.storageDtype === undefined)
    throw malformedPickle(where, `expected a storage class in a persistent id, found ${describe(kind)}`);
  if (typeof key !== 'string' || !STORAGE_KEY.test(key))
    throw malformedPickle(where, `expected a number as the key of a storage, found ${describe(key)}`);
  if (!isCount(elementCount))
    throw badTensor(where, undefined, `storage "${key}" has ${describe(elementCount)} elements`);
  if (view === null) return new StorageRecord(key, kind.storageDtype, elementCount);
  const [, first, count] = Array.isArray(view) ? (view as readonly PickleValue[]) : [];
  if (!isCount(first) || !isCount(count) || first + count > elementCount)
    throw badTensor(
      where,
      undefined,
      `a window of storage "${key}" has ${describe(count)} elements from ${describe(first)} on, but there are ${elementCount}`,
    );
  return new StorageRecord(key, kind.storageDtype, elementCount, [first, count]);
}

// --- internal ---

function orderedDict(args: readonly PickleValue[], where: string): PickleValue {
  const items = args[0] ?? [];
  if (items instanceof Map) return new Map(items);
  if (!Array.isArray(items) || args.length > 1) throw malformedPickle(where, `OrderedDict of ${describe(items)}`);
  const map = new Map<PickleValue, PickleValue>();
  for (const item of items as readonly PickleValue[]) {
    if (!Array.isArray(item) || item.length !== 2)
      throw malformedPickle(where, `expected pairs in an OrderedDict, found ${describe(item)}`);
    map.set(item[0] as PickleValue, item[1] as PickleValue);
  }
  return map;
}

/** (storage, offset, size, stride[, requires_grad, backward_hooks[, metadata]]) */
function rebuildTensor(args: readonly PickleValue[], where: string): TensorRecord {
  const [storage, offset, shape, strides] = args;
  if (!(storage instanceof StorageRecord))
    throw badTensor(where, undefined, `expected a storage to rebuild a tensor from, found ${describe(storage)}`);
  const name = `of storage ${storage.key}`;
  if (!isInteger(offset)) throw badTensor(where, name, `expected an offset, found ${describe(offset)}`);
  const isDimensions = (value: PickleValue | undefined): value is readonly number[] =>
    Array.isArray(value) && value.length <= MAX_DIMENSIONS && value.every(isInteger);
  if (!isDimensions(shape) || !isDimensions(strides) || shape.length !== strides.length)
    throw badTensor(
      where,
      name,
      `expected a shape and as many strides (at most ${MAX_DIMENSIONS}), found ${describe(shape)} and ${describe(strides)}`,
    );
  return new TensorRecord(storage, offset, shape, strides);
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isCount(value: unknown): value is number {
  return isInteger(value) && value >= 0;
}
