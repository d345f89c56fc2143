/** What a torch.save file holds, whichever container it came in: a value made of plain data, and storages by record. */
import type { LazyTensor, Storage } from '../tensor/lazy-tensor.ts';
import { checkedTensor } from './check-view.ts';
import type { PickleValue, StorageRecord, TensorRecord } from './pickle-values.ts';
import { badTensor } from './refusals.ts';

export interface TorchFile {
  readonly format: 'torch-zip' | 'torch-legacy';
  readonly path: string;
  readonly root: PickleValue;
  /** The bytes of a storage. Throws IntegrityError when the container does not have them. */
  storageOf(record: StorageRecord): Storage;
}

/** The tensor of a record, checked against its storage. */
export function tensorOf(file: TorchFile, name: string, record: TensorRecord): LazyTensor {
  const { shape, strides, storage: claimed } = record;
  const storage = file.storageOf(claimed);
  if (storage.dtype !== claimed.dtype || storage.elementCount !== claimed.elementCount)
    throw badTensor(
      file.path,
      name,
      `storage ${claimed.key} is told as ${claimed.elementCount} ${claimed.dtype} elements here and as ${storage.elementCount} ${storage.dtype} elsewhere`,
    );
  const [first, count] = claimed.window ?? [0, storage.elementCount];
  const inWindow: Storage = { ...storage, elementCount: Math.min(first + count, storage.elementCount) };
  const view = { name, dtype: storage.dtype, shape, strides, offset: record.offset + first };
  if (record.offset < 0) throw badTensor(file.path, name, `the offset ${record.offset} is negative`);
  checkedTensor(file.path, { ...view, storage: inWindow });
  return { ...view, storage };
}
