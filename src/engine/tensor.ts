/** Tensors that cross into ONNX Runtime: typed arrays with a dtype and a shape. int64 (bigint) stays in this folder. */
import { DTYPES, type Dtype } from '../tensor/dtype.ts';
import { widenFloat16 } from '../tensor/half.ts';
import { elementCountOf } from '../tensor/lazy-tensor.ts';
import { UnsupportedError, UsageError } from '../util/errors.ts';
import type { DeviceTensor } from './session.ts';

/** The array behind each dtype; float16 is bit patterns, bool is one byte per element, 0 or 1. */
const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const satisfies Record<keyof Arrays & Dtype, unknown>;

interface Arrays {
  float32: Float32Array;
  float16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

export type TensorDtype = keyof Arrays;
export type TensorData<D extends TensorDtype = TensorDtype> = Arrays[D];

/** Row-major; `data` has exactly as many elements as `shape` says. A scalar has the shape []. */
export type Tensor<D extends TensorDtype = TensorDtype> = {
  [K in D]: { readonly dtype: K; readonly shape: readonly number[]; readonly data: TensorData<K> };
}[D];

/** What a graph says about one of its inputs or outputs. */
export interface ValueInfo {
  readonly name: string;
  /** A TensorDtype; something else ("float64", "string", "sequence") can be listed but not cross into JavaScript. */
  readonly dtype: string;
  /** A number is fixed, a string is a symbolic dimension ("batch_size"; "?" when the graph gives it no name). */
  readonly shape: readonly (number | string)[];
  /** True for an input that has a default in the graph and need not be fed. */
  readonly optional: boolean;
}

/**
 * Rows of ids as an int64 tensor of shape [rows, longest row]; shorter rows are filled on the right with `padValue`.
 * Throws UsageError for a value that is no integer.
 */
export function int64Tensor(rows: readonly (readonly number[])[], padValue = 0): Tensor<'int64'> {
  const width = rows.reduce((longest, row) => Math.max(longest, row.length), 0);
  const data = new BigInt64Array(rows.length * width).fill(BigInt(padValue));
  rows.forEach((row, r) => {
    row.forEach((value, c) => {
      if (!Number.isSafeInteger(value))
        throw new UsageError(`row ${r}, column ${c}: expected an integer, found ${value}`, { code: 'not-an-integer' });
      data[r * width + c] = BigInt(value);
    });
  });
  return { dtype: 'int64', shape: [rows.length, width], data };
}

/**
 * Which token sees which, 1 or 0, as int64 [rows, longest row, longest row]: those of two different blocks do not see
 * one another, block 0 sees all and is seen by all. Padding counts as block 0.
 */
export function blockMaskTensor(rows: readonly (readonly number[])[]): Tensor<'int64'> {
  const width = rows.reduce((longest, row) => Math.max(longest, row.length), 0);
  const data = new BigInt64Array(rows.length * width * width).fill(1n);
  rows.forEach((blocks, r) => {
    for (let i = 0; i < blocks.length; i++)
      for (let j = 0; blocks[i] !== 0 && j < blocks.length; j++)
        if (blocks[j] !== 0 && blocks[j] !== blocks[i]) data[(r * width + i) * width + j] = 0n;
  });
  return { dtype: 'int64', shape: [rows.length, width, width], data };
}

/** A float32 tensor over `data`, which is not copied. */
export function float32Tensor(data: Float32Array, shape: readonly number[]): Tensor<'float32'> {
  return { dtype: 'float32', shape, data };
}

/** The numbers of a floating tensor as float32: float32 as it is (not copied), float16 widened. */
export function toFloat32(tensor: Tensor): Float32Array {
  if (tensor.dtype === 'float32') return tensor.data;
  if (tensor.dtype === 'float16') return widenFloat16(tensor.data);
  throw new UsageError(`expected a float32 or float16 tensor, found ${tensor.dtype}`, { code: 'wrong-dtype' });
}

/** The numbers of an integer tensor; int64 beyond 2^53 would lose digits and is refused. */
export function toNumbers(tensor: Tensor): number[] {
  return Array.from<number | bigint, number>(tensor.data, (value) => {
    const number = Number(value);
    if (typeof value === 'bigint' && !Number.isSafeInteger(number))
      throw new UnsupportedError(`the int64 value ${value} does not fit a JavaScript number`, {
        code: 'int64-too-large',
      });
    return number;
  });
}

/** An empty array for `shape`; the caller binds it as an output or fills it. */
export function zeros<D extends TensorDtype>(dtype: D, shape: readonly number[]): Tensor<D> {
  const data = new ARRAYS[dtype](elementCountOf(shape)) as TensorData<D>;
  return { dtype, shape, data } as Tensor<D>;
}

/** How many numbers there are; 0 for what is not there. */
export function elementsOf(tensor: { readonly shape: readonly number[] } | undefined): number {
  return tensor ? elementCountOf(tensor.shape) : 0;
}

/** Bytes, seen as the elements of a dtype. */
export function tensorOf(dtype: TensorDtype, shape: readonly number[], bytes: ArrayBuffer): Tensor {
  return { dtype, shape, data: new ARRAYS[dtype](bytes) } as Tensor;
}

/** TensorProto.DataType of a dtype. */
export function onnxTypeOf(dtype: TensorDtype): number {
  return DTYPES[dtype].onnx;
}

/** The name of a TensorProto.DataType ("type 8" for one that fsb has no name for, such as strings). */
export function nameOfOnnxType(type: number): string {
  return (Object.keys(DTYPES) as Dtype[]).find((dtype) => DTYPES[dtype].onnx === type) ?? `type ${type}`;
}

/** True for the dtypes that can cross into JavaScript. */
export function isTensorDtype(name: string): name is TensorDtype {
  return Object.hasOwn(ARRAYS, name);
}

/** 'float32 [batch_size, 3]', for messages. */
export function describe(value: { readonly dtype: string; readonly shape: readonly (number | string)[] }): string {
  return `${value.dtype} [${value.shape.join(', ')}]`;
}

/**
 * Checks a tensor against what the graph declares, and its array against its own dtype and shape: the runtime reads
 * as many bytes as the shape says, so a short array would be read past its end.
 */
export function checkTensor(role: 'input' | 'output', info: ValueInfo, tensor: Tensor | DeviceTensor): void {
  const fail = (code: string, found: string): never => {
    throw new UsageError(`${role} "${info.name}": expected ${describe(info)}, found ${found}`, {
      code,
      facts: { name: info.name, expected: describe(info), found },
    });
  };
  if (tensor.dtype !== info.dtype) fail('wrong-dtype', describe(tensor));
  const fits = (size: number, d: number): boolean =>
    Number.isSafeInteger(size) && size >= 0 && (typeof info.shape[d] !== 'number' || info.shape[d] === size);
  if (tensor.shape.length !== info.shape.length || !tensor.shape.every(fits)) fail('wrong-shape', describe(tensor));
  if (!('data' in tensor)) return; // a device allocated as much as the shape says
  if (!(tensor.data instanceof ARRAYS[tensor.dtype]))
    fail('wrong-dtype', `${describe(tensor)} over a ${tensor.data.constructor.name}`);
  if (tensor.data.length !== elementCountOf(tensor.shape))
    fail('wrong-shape', `${describe(tensor)} over ${tensor.data.length} elements`);
  if (tensor.data.buffer instanceof SharedArrayBuffer) fail('shared-memory', `${describe(tensor)} over shared memory`);
}
