/** Binds the tensors that an architecture needs to those that a checkpoint has; every disagreement in one error. */
import type { ModelPlan, TensorSpec } from '../architectures/architecture.ts';
import { hashTensor } from '../checkpoint/fingerprint.ts';
import type { LazyTensor } from '../tensor/lazy-tensor.ts';
import { closestNames } from '../util/closest.ts';
import { IntegrityError } from '../util/errors.ts';

/** At most so many names of each kind are printed; the error's facts hold all. */
const SHOWN = 12;

/**
 * The plan's tensors by canonical name.
 * @throws IntegrityError (code model-mismatch) naming every missing, mis-shaped and unexpected tensor
 */
export function bindTensors(
  plan: ModelPlan,
  buffers: readonly RegExp[],
  tensors: ReadonlyMap<string, LazyTensor>,
  origin: string,
): Map<string, LazyTensor> {
  const bound = new Map<string, LazyTensor>();
  const missing: TensorSpec[] = [];
  const misshapen: { spec: TensorSpec; found: readonly number[] }[] = [];
  for (const spec of plan.tensors) {
    const tensor = tensors.get(spec.name);
    if (!tensor) missing.push(spec);
    else if (!sameShape(tensor.shape, spec.shape)) misshapen.push({ spec, found: tensor.shape });
    else bound.set(spec.name, tensor);
  }
  const known = new Set([...plan.tensors.map((spec) => spec.name), ...Object.keys(plan.aliases)]);
  const unexpected = [...tensors.keys()].filter(
    (name) => !known.has(name) && !buffers.some((buffer) => buffer.test(name)),
  );
  if (missing.length + misshapen.length + unexpected.length === 0) return bound;

  const lines = [
    ...shown(missing, ({ name, shape }) => `missing: "${name}" [${shape.join(', ')}]${near(name, unexpected)}`),
    ...shown(
      misshapen,
      ({ spec, found }) => `"${spec.name}": expected shape [${spec.shape.join(', ')}], found [${found.join(', ')}]`,
    ),
    ...shown(unexpected, (name) => `unexpected: "${name}" [${tensors.get(name)?.shape.join(', ')}]`),
  ];
  throw new IntegrityError(
    `${origin} is not a ${plan.architecture} checkpoint that fsb can convert:\n  ${lines.join('\n  ')}`,
    {
      code: 'model-mismatch',
      hint: 'compare with `fsb inspect`; a fine-tuned model must keep the tensor names of its base',
      facts: {
        missing: missing.map((spec) => spec.name),
        misshapen: misshapen.map(({ spec, found }) => ({ name: spec.name, expected: spec.shape, found })),
        unexpected,
      },
    },
  );
}

/**
 * Aliases whose numbers differ from the tensor they should repeat. The reference implementation ties them all the same
 * (tie_word_embeddings), so the stored numbers have no effect: worth a warning, since a fine-tuned head may be meant.
 */
export async function findUntiedAliases(plan: ModelPlan, tensors: ReadonlyMap<string, LazyTensor>): Promise<string[]> {
  const warnings: string[] = [];
  for (const [alias, name] of Object.entries(plan.aliases)) {
    const [stored, tied] = [tensors.get(alias), tensors.get(name)];
    if (!stored || !tied || (stored.storage.key === tied.storage.key && stored.offset === tied.offset)) continue;
    if ((await hashTensor(stored)) !== (await hashTensor(tied)))
      warnings.push(
        `"${alias}" differs from "${name}", which the model uses in its place unless config.json says tie_word_embeddings: false`,
      );
  }
  return warnings;
}

// --- internal ---

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, d) => size === b[d]);
}

function near(name: string, candidates: readonly string[]): string {
  const [closest] = closestNames(name, candidates, 1);
  return closest ? ` (did you mean "${closest}"?)` : '';
}

function shown<T>(items: readonly T[], line: (item: T) => string): string[] {
  const lines = items.slice(0, SHOWN).map(line);
  return items.length > SHOWN ? [...lines, `… and ${items.length - SHOWN} more`] : lines;
}
