/** Reads single fields of config.json with an error that names the field. */
import { ACTIVATIONS, type Activation } from '../onnx/ops.ts';
import { IntegrityError, UnsupportedError } from '../util/errors.ts';
import type { ConfigJson } from './architecture.ts';

/** A number; `fallback` is the default of the reference implementation's config class. */
export function numberField(config: ConfigJson, field: string, fallback?: number): number {
  const value = config[field] ?? fallback;
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new IntegrityError(
      `config.json: "${field}": expected a number, found ${JSON.stringify(config[field]) ?? 'nothing'}`,
      {
        code: 'malformed-config',
        facts: { field },
      },
    );
  return value;
}

/** Attention heads: the one dimension that no tensor shape tells. Must divide the hidden size. */
export function headCount(config: ConfigJson, field: string, hiddenSize: number): number {
  const heads = numberField(config, field);
  if (!Number.isInteger(heads) || heads < 1 || hiddenSize % heads !== 0)
    throw new IntegrityError(
      `config.json: "${field}" is ${heads}, which does not divide the hidden size ${hiddenSize}`,
      {
        code: 'malformed-config',
        facts: { field, heads, hiddenSize },
      },
    );
  return heads;
}

/** hidden_act or activation_function, of those that fsb has kernels for. */
export function activationField(config: ConfigJson, field: string, fallback: Activation): Activation {
  const name = config[field] ?? fallback;
  if (typeof name === 'string' && Object.hasOwn(ACTIVATIONS, name)) return name as Activation;
  throw new UnsupportedError(
    `config.json: "${field}" is ${JSON.stringify(name)}; supported are ${Object.keys(ACTIVATIONS).join(', ')}`,
    { code: 'unsupported-activation', facts: { field, name } },
  );
}

/** One of a few words. */
export function choiceField<T extends string>(
  config: ConfigJson,
  field: string,
  choices: readonly T[],
  fallback: T,
): T {
  const value = config[field] ?? fallback;
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw new UnsupportedError(
    `config.json: "${field}" is ${JSON.stringify(value)}; supported are ${choices.join(', ')}`,
    {
      code: 'unsupported-config',
      facts: { field, value },
    },
  );
}

/** A token id that config.json may name; ids that the embedding lacks count as not named. */
export function tokenIdField(config: ConfigJson, field: string, rows: number): number | undefined {
  const id = config[field];
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < rows ? id : undefined;
}

/** Class names in logit order from id2label; LABEL_0… where config.json says nothing, as the reference does. */
export function labelsField(config: ConfigJson, count: number): string[] {
  const id2label = config.id2label;
  const named = typeof id2label === 'object' && id2label !== null ? (id2label as Record<string, unknown>) : {};
  const size = Object.keys(named).length;
  // {"0": "LABEL_0", "1": "LABEL_1"} is transformers' default and says nothing about a head of another size
  if (size > 0 && size !== count && Object.values(named).some((label) => !String(label).startsWith('LABEL_')))
    throw new IntegrityError(`config.json: id2label names ${size} classes, the classifier has ${count}`, {
      code: 'malformed-config',
      facts: { labels: size, classes: count },
    });
  return Array.from({ length: count }, (_, i) =>
    size === count && named[i] !== undefined ? String(named[i]) : `LABEL_${i}`,
  );
}

/** True when config.json's `architectures` names a class that ends so, e.g. "ForMultipleChoice". */
export function namesClass(config: ConfigJson, suffix: string): boolean {
  return Array.isArray(config.architectures) && config.architectures.some((name) => String(name).endsWith(suffix));
}
