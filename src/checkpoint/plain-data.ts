/** Pickled settings (an argparse.Namespace and what hangs on it) as plain JavaScript data. */
import { AllowedGlobal, describe, OpaqueObject, type PickleValue } from './pickle-values.ts';
import { malformedPickle } from './refusals.ts';

/** A Namespace of Megatron-LM has 400 attributes, nested twice. */
const MAX_VALUES = 100_000;
const MAX_DEPTH = 16;

/**
 * The attributes of a Namespace, or the entries of a dictionary. Dictionaries become objects, tuples arrays, torch.float16
 * the text "torch.float16", other objects `{class, args, state}`, tensors a description. Throws IntegrityError
 * (malformed-pickle) for data without end.
 */
export function argumentsOf(
  namespace: OpaqueObject | Map<PickleValue, PickleValue>,
  where: string,
): Readonly<Record<string, unknown>> {
  let left = MAX_VALUES;
  const plain = (value: PickleValue, depth: number): unknown => {
    if (--left < 0 || depth > MAX_DEPTH)
      throw malformedPickle(where, `the settings have more than ${MAX_VALUES} values or nest deeper than ${MAX_DEPTH}`);
    if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string')
      return value;
    if (typeof value === 'bigint') return String(value);
    if (value instanceof AllowedGlobal) return value.name;
    if (value instanceof Map) return entriesOf(value, depth);
    if (Array.isArray(value) || value instanceof Set)
      return Array.from(value as Iterable<PickleValue>, (item) => plain(item, depth + 1));
    if (value instanceof OpaqueObject)
      return { class: value.className, args: plain(value.args, depth + 1), state: plain(value.state, depth + 1) };
    return describe(value);
  };
  const entriesOf = (map: ReadonlyMap<PickleValue, PickleValue>, depth: number): Record<string, unknown> =>
    Object.fromEntries(Array.from(map, ([key, item]) => [String(plain(key, depth + 1)), plain(item, depth + 1)]));
  return entriesOf(namespace instanceof Map ? namespace : namespace.attributes, 0);
}
