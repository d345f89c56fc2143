/** Tensors as onnxruntime-node has them. */
import type * as Ort from 'onnxruntime-node';
import { UnsupportedError } from '../../util/errors.ts';
import { isTensorDtype, type Tensor } from '../tensor.ts';

/** A tensor over the same array, not copied. */
export function toOrtTensor(ort: typeof Ort, { dtype, data, shape }: Tensor): Ort.Tensor {
  const tensor = new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
  // where Float16Array exists (Node 24), onnxruntime-node 1.30 wraps the bits in one and its native side then sees no bytes
  if (dtype === 'float16') Object.defineProperty(tensor, 'data', { value: data });
  return tensor;
}

/** The result of a run; its array is already ours. */
export function fromOrtTensor({ type, data, dims }: Ort.Tensor): Tensor {
  if (!isTensorDtype(type) || !ArrayBuffer.isView(data))
    throw new UnsupportedError(`an output is ${type}, a type that fsb does not read`, { code: 'unsupported-dtype' });
  // Node 24 and later give float16 as a Float16Array; bit patterns are what fsb works on
  const bits = type === 'float16' ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data;
  return { dtype: type, shape: [...dims], data: bits } as Tensor;
}
