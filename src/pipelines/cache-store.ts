/** Where the keys and values of a cache lie: in arrays of ours on the CPU, in the device's own memory on a GPU. */
import type { Binding, Session } from '../engine/session.ts';
import { CacheArrays } from './cache-arrays.ts';
import { DeviceCache } from './device-cache.ts';

export interface CacheStore {
  readonly rows: number;
  /** Tokens there is room for. */
  readonly capacity: number;
  readonly sizeBytes: number;
  /** Row i becomes the first `length` tokens of the former row parents[i], with room for `capacity`. To be bound anew. */
  rearrange(parents: readonly number[], length: number, capacity: number): void | Promise<void>;
  /** Binds every layer's keys and values as past, as present, or as both. */
  bind(binding: Binding, sides: { readonly past: boolean; readonly present: boolean }): void;
  /** Binds pasts without any token. */
  bindEmptyPast(binding: Binding): void;
  /** Lets go of the memory. */
  release(): void;
}

/** An empty cache for the inputs of a session that `pattern` matches. */
export function openCache(session: Session, pattern: RegExp): CacheStore {
  const pasts = session.inputs.filter(({ name }) => pattern.test(name));
  // where attention runs on the CPU, the cache belongs there too
  const memory = pasts.every(({ name }) => session.isOnDevice(name)) ? session.deviceMemory : undefined;
  return memory ? new DeviceCache(session.inputs, pattern, memory) : new CacheArrays(session.inputs, pattern);
}
