/** Checks that a tensor's claimed shape, strides and offset fit its storage, before anyone reads by them. */
import { DTYPES, isFloat } from '../tensor/dtype.ts';
import { elementCountOf, extentOf, type LazyTensor } from '../tensor/lazy-tensor.ts';
import { badTensor } from './refusals.ts';

/** No tensor has more elements: 2^40 float16 are 2 TB. Also keeps products of sizes exact. */
const MAX_ELEMENTS = 2 ** 40;
/** An expanded buffer (position_ids with stride 0) may tell more elements than are stored, but not without end. */
const MAX_EXPANDED_ELEMENTS = 2 ** 20;

/**
 * Returns the tensor, or throws IntegrityError (bad-tensor) naming `file`, the tensor and the numbers that disagree:
 * negative sizes or strides; more elements than stored (only an integer buffer may repeat elements by zero strides);
 * a last element beyond the storage; a storage larger than its bytes.
 */
export function checkedTensor(file: string, tensor: LazyTensor): LazyTensor {
  const { name, shape, strides, offset, dtype, storage } = tensor;
  const numbers = `shape [${shape.join(', ')}], strides [${strides.join(', ')}], offset ${offset}`;
  const refuse = (what: string): Error => badTensor(file, name, `${what} (${numbers})`);
  const storedBytes = storage.elementCount * DTYPES[dtype].bytes;
  if (storedBytes > storage.source.sizeBytes)
    throw refuse(
      `its storage should have ${storage.elementCount} ${dtype} elements = ${storedBytes} bytes, but ${storage.source.name} holds ${storage.source.sizeBytes}`,
    );
  if (shape.some((size) => size < 0)) throw refuse('a dimension is negative');
  if (strides.some((stride) => stride < 0)) throw refuse('a stride is negative');
  if (offset < 0) throw refuse('the offset is negative');
  const elementCount = elementCountOf(shape);
  if (elementCount > MAX_ELEMENTS) throw refuse(`more than ${MAX_ELEMENTS} elements`);
  const repeats = shape.some((size, d) => size > 1 && strides[d] === 0);
  if (repeats && isFloat(dtype)) throw refuse('a stride of 0 repeats numbers, which only an integer buffer may do');
  const end = offset + extentOf(shape, strides);
  if (end > storage.elementCount)
    throw refuse(`it reaches to element ${end}, but its storage has ${storage.elementCount}`);
  const most = repeats ? MAX_EXPANDED_ELEMENTS : storage.elementCount;
  if (elementCount > most) throw refuse(`${elementCount} elements, but at most ${most} are possible with this storage`);
  return tensor;
}
