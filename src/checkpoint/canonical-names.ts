/**
 * Names in the wild → canonical names, in this one place. Canonical is what the transformers class of the architecture calls
 * a parameter, without the name of the base model in front: `encoder.layer.0.…`, `h.0.…`, `shared.weight`, `cls.…`.
 */
import type { LazyTensor } from '../tensor/lazy-tensor.ts';
import { IntegrityError } from '../util/errors.ts';
import { hashTensor } from './fingerprint.ts';

/** What wrappers put before a name: data-parallel and compiled modules, trainers' `model`, the base model's attribute. */
const PREFIXES = ['module.', '_orig_mod.', 'model.', 'bert.', 'roformer.', 'megatron_bert.', 'transformer.'] as const;

/** Old and second names of a parameter, after the prefixes are gone. */
const SYNONYMS: readonly (readonly [pattern: RegExp, canonical: string])[] = [
  [/\.gamma$/, '.weight'], // TensorFlow's LayerNorm
  [/\.beta$/, '.bias'],
  [/^cls\.predictions\.decoder\.bias$/, 'cls.predictions.bias'],
  [/^(?:encoder|decoder)\.embed_tokens\.weight$/, 'shared.weight'], // T5
  [/^(?:encoder|decoder)\.embed_tokens\.(word_embeddings|position_embeddings)\.weight$/, 'shared.$1.weight'], // Megatron-T5
  [/^(?:encoder|decoder)\.embed_tokens\.position_ids$/, 'shared.position_ids'],
];

export interface NamedTensors {
  readonly tensors: ReadonlyMap<string, LazyTensor>;
  /** Canonical name → the name in the file (of the first, where several names stand for one tensor). */
  readonly originalNames: ReadonlyMap<string, string>;
}

/** The canonical name of a name in the wild; a name that is not known stays as it is, less its prefixes. */
export function canonicalName(wild: string): string {
  let name = wild;
  for (let prefix = prefixOf(name); prefix !== undefined; prefix = prefixOf(name)) name = name.slice(prefix.length);
  for (const [pattern, canonical] of SYNONYMS) name = name.replace(pattern, canonical);
  return name;
}

/**
 * Gives all tensors their canonical names. Two wild names may come to one canonical name when they are the same range of
 * one storage, or hold the same numbers; else IntegrityError (name-collision) names both.
 */
export async function withCanonicalNames(file: string, wild: ReadonlyMap<string, LazyTensor>): Promise<NamedTensors> {
  const tensors = new Map<string, LazyTensor>();
  const originalNames = new Map<string, string>();
  for (const [name, tensor] of wild) {
    const canonical = canonicalName(name);
    const known = tensors.get(canonical);
    if (known === undefined) {
      tensors.set(canonical, { ...tensor, name: canonical });
      originalNames.set(canonical, name);
    } else if (!(await isSame(known, tensor))) {
      const first = originalNames.get(canonical);
      throw new IntegrityError(
        `${file}: "${first}" and "${name}" both stand for "${canonical}", but they hold different numbers`,
        { code: 'name-collision', facts: { canonical, names: [first, name] } },
      );
    }
  }
  return { tensors, originalNames };
}

/** True when two tensors are the same view of the same storage. */
export function isAlias(a: LazyTensor, b: LazyTensor): boolean {
  const equal = (x: readonly number[], y: readonly number[]): boolean =>
    x.length === y.length && x.every((value, i) => value === y[i]);
  return (
    a.storage.key === b.storage.key && a.offset === b.offset && equal(a.shape, b.shape) && equal(a.strides, b.strides)
  );
}

// --- internal ---

function prefixOf(name: string): string | undefined {
  return PREFIXES.find((prefix) => name.startsWith(prefix));
}

/** Containers without aliases (safetensors) write a shared tensor twice: then the numbers decide. */
async function isSame(a: LazyTensor, b: LazyTensor): Promise<boolean> {
  return isAlias(a, b) || (a.shape.join() === b.shape.join() && (await hashTensor(a)) === (await hashTensor(b)));
}
