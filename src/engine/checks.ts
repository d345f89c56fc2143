/** Checks of what a caller passes to a session, the same for both bindings. */
import { UnsupportedError, UsageError } from '../util/errors.ts';
import type { DeviceTensor, Feeds } from './session.ts';
import { checkTensor, describe, isTensorDtype, type Tensor, type ValueInfo } from './tensor.ts';

/** Checks every feed against the graph's inputs and that none is missing. */
export function checkFeeds(inputs: readonly ValueInfo[], feeds: Feeds): void {
  for (const [name, tensor] of Object.entries(feeds)) checkTensor('input', findValue('input', inputs, name), tensor);
  checkComplete(inputs, (name) => Object.hasOwn(feeds, name));
}

/** Checks that every input without a default is there. */
export function checkComplete(inputs: readonly ValueInfo[], isFed: (name: string) => boolean): void {
  const missing = inputs.filter((input) => !input.optional && !isFed(input.name));
  if (missing.length > 0)
    throw new UsageError(
      `missing inputs: ${missing.map((input) => `"${input.name}" (${describe(input)})`).join(', ')}`,
      { code: 'missing-input', facts: { names: missing.map((input) => input.name) } },
    );
}

/** Checks that outputs exist, are wanted once, and are of a dtype that can cross into JavaScript. */
export function checkOutputs(outputs: readonly ValueInfo[], names: readonly string[]): void {
  if (names.length === 0) throw new UsageError('no output was asked for', { code: 'no-output' });
  if (new Set(names).size < names.length)
    throw new UsageError(`an output was asked for twice: ${names.join(', ')}`, { code: 'duplicate-output' });
  for (const name of names) {
    const info = findValue('output', outputs, name);
    if (!isTensorDtype(info.dtype))
      throw new UnsupportedError(`output "${name}" is ${describe(info)}, a type that fsb does not read`, {
        code: 'unsupported-dtype',
      });
  }
}

/** Checks a tensor that is to be bound to a name. */
export function checkBound(
  role: 'input' | 'output',
  values: readonly ValueInfo[],
  name: string,
  tensor: Tensor | DeviceTensor,
): void {
  checkTensor(role, findValue(role, values, name), tensor);
}

function findValue(role: 'input' | 'output', values: readonly ValueInfo[], name: string): ValueInfo {
  const found = values.find((value) => value.name === name);
  if (found) return found;
  const names = values.map((value) => value.name);
  throw new UsageError(`the graph has no ${role} "${name}"; it has ${names.join(', ')}`, {
    code: `unknown-${role}`,
    facts: { name, names },
  });
}
