/** The tensors of a torch.save file by name, wherever its dictionaries have them. */
import type { LazyTensor } from '../tensor/lazy-tensor.ts';
import { describe, type PickleValue, TensorRecord } from './pickle-values.ts';
import { corruptArchive } from './refusals.ts';
import { type TorchFile, tensorOf } from './torch-file.ts';

/** Where trainers put the weights among other things, in order of preference. */
const WRAPPERS = ['state_dict', 'model_state_dict', 'model', 'module'] as const;
/** Raw Megatron-LM nests its names six deep. */
const MAX_NESTING = 16;
const MAX_TENSORS = 100_000;
/** Longer names than this are no address of a module. */
const MAX_NAME_LENGTH = 512;

export interface StateDict {
  readonly tensors: ReadonlyMap<string, LazyTensor>;
  /** Numbers and text that lie beside the tensors, such as an epoch. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The flat state dict of a file: its root, or what lies in the root under one of WRAPPERS. */
export function stateDictOf(file: TorchFile): StateDict {
  const { root } = file;
  if (!(root instanceof Map))
    throw corruptArchive(
      file.path,
      `expected a dictionary of tensors, found ${describe(root)}`,
      'save model.state_dict()',
    );
  const wrapper = WRAPPERS.find((name) => root.get(name) instanceof Map);
  const tensors = flatTensors(file, wrapper === undefined ? root : root.get(wrapper)!);
  if (tensors.size === 0)
    throw corruptArchive(file.path, `no tensors in ${describe(root)}`, 'save model.state_dict() with torch.save');
  return { tensors, metadata: scalarsIn(root) };
}

/** All tensors below a dictionary; the names on the way are joined by dots. Checked against their storages. */
export function flatTensors(file: TorchFile, root: PickleValue): Map<string, LazyTensor> {
  const tensors = new Map<string, LazyTensor>();
  const seen = new Set<PickleValue>(); // a dictionary in two places, or inside itself, could be walked without end
  const collect = (value: PickleValue, name: string, depth: number): void => {
    if (value instanceof TensorRecord) {
      if (tensors.has(name)) throw corruptArchive(file.path, `two tensors are named "${name}"`);
      if (tensors.size >= MAX_TENSORS) throw corruptArchive(file.path, `more than ${MAX_TENSORS} tensors`);
      tensors.set(name, tensorOf(file, name, value));
    }
    if (!(value instanceof Map)) return;
    if (seen.has(value)) throw corruptArchive(file.path, `the dictionary at "${name}" is also somewhere else`);
    seen.add(value);
    if (depth >= MAX_NESTING)
      throw corruptArchive(file.path, `dictionaries more than ${MAX_NESTING} deep, at "${name}"`);
    for (const [key, item] of value) {
      if (!(item instanceof Map) && !(item instanceof TensorRecord)) continue;
      const inner = name === '' ? String(key) : `${name}.${String(key)}`;
      if ((typeof key !== 'string' && typeof key !== 'number') || inner.length > MAX_NAME_LENGTH)
        throw corruptArchive(file.path, `expected the name of a tensor, found ${describe(key)} below "${name}"`);
      collect(item, inner, depth + 1);
    }
  };
  collect(root, '', 0);
  return tensors;
}

/** Numbers, flags and short text directly in a dictionary, as text. */
export function scalarsIn(root: ReadonlyMap<PickleValue, PickleValue>): Record<string, string> {
  const scalars: [string, string][] = [];
  for (const [key, value] of root)
    if (typeof key === 'string' && ['number', 'bigint', 'boolean', 'string'].includes(typeof value))
      scalars.push([key, String(value)]);
  return Object.fromEntries(scalars);
}
