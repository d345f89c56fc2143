/** How many weights a checkpoint has, from its headers alone. */
import { isFloat } from '../tensor/dtype.ts';
import type { Checkpoint } from './open.ts';

/** Tied weights count once, buffers (position_ids, causal masks stored as integers) not at all. */
export function countParameters({ tensors }: Pick<Checkpoint, 'tensors'>): number {
  const counts = new Map<string, number>();
  for (const { storage } of tensors.values()) if (isFloat(storage.dtype)) counts.set(storage.key, storage.elementCount);
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
