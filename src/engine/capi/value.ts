/** Tensors as ONNX Runtime's values: ours lent to it, its own copied out. */

import { DTYPES } from '../../tensor/dtype.ts';
import { elementCountOf } from '../../tensor/lazy-tensor.ts';
import { messageOf, ResourceError, UnsupportedError } from '../../util/errors.ts';
import { describe, isTensorDtype, nameOfOnnxType, onnxTypeOf, type Tensor, tensorOf } from '../tensor.ts';
import type { Pointer } from './calls.ts';
import type { Runtime } from './runtime.ts';

/**
 * A value over a tensor's own array, which is not copied: ONNX Runtime keeps the bare address. The tensor travels with
 * the value, so that whoever holds the one keeps the other from being collected.
 */
export interface LentValue {
  readonly handle: Pointer;
  readonly tensor: Tensor;
}

/** Lends a checked tensor to ONNX Runtime; release the handle with ReleaseValue. */
export function lendTensor({ api, cpuMemory }: Runtime, tensor: Tensor): LentValue {
  const { data, shape, dtype } = tensor;
  const dimensions = BigInt64Array.from(shape, BigInt);
  const handle = api.CreateTensorWithDataAsOrtValue(
    cpuMemory,
    data,
    data.byteLength,
    dimensions,
    shape.length,
    onnxTypeOf(dtype),
  );
  return { handle, tensor };
}

/** The dtype and shape of a value. */
export function shapeOf({ api }: Runtime, value: Pointer): { dtype: string; shape: number[] } {
  const info = api.GetTensorTypeAndShape(value);
  try {
    const dimensions = new BigInt64Array(api.GetDimensionsCount(info));
    api.GetDimensions(info, dimensions, dimensions.length);
    return { dtype: nameOfOnnxType(api.GetTensorElementType(info)), shape: Array.from(dimensions, Number) };
  } finally {
    api.ReleaseTensorTypeAndShapeInfo(info);
  }
}

/** Copies a value in main memory into an array of ours. Throws ResourceError when there is no room for it. */
export function copyValue(runtime: Runtime, value: Pointer): Tensor {
  const { dtype, shape } = shapeOf(runtime, value);
  if (!isTensorDtype(dtype))
    throw new UnsupportedError(`an output is ${describe({ dtype, shape })}, a type that fsb does not read`, {
      code: 'unsupported-dtype',
    });
  const byteLength = elementCountOf(shape) * DTYPES[dtype].bytes;
  if (byteLength === 0) return tensorOf(dtype, shape, new ArrayBuffer(0));
  const address = runtime.api.GetTensorMutableData(value);
  try {
    return tensorOf(dtype, shape, runtime.library.readBytes(address, byteLength));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ResourceError(`no room for an output ${describe({ dtype, shape })}: ${messageOf(error)}`, {
      code: 'out-of-memory',
      cause: error,
    });
  }
}
