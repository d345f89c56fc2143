/** The architectures that fsb converts, and which one a checkpoint is. */
import { UnsupportedError } from '../util/errors.ts';
import type { Architecture } from './architecture.ts';
import { bert } from './bert.ts';
import { gpt2 } from './gpt2.ts';
import { megatronBert } from './megatron-bert.ts';
import { megatronT5 } from './megatron-t5.ts';
import { t5 } from './t5.ts';
import type { Tensors } from './tensors.ts';
import { zhouwenwang } from './zhouwenwang.ts';

export const ARCHITECTURES = [
  megatronBert,
  zhouwenwang,
  bert,
  gpt2,
  megatronT5,
  t5,
] as const satisfies readonly Architecture[];

/** The architecture of a checkpoint, by its tensors alone. Throws UnsupportedError with the first names it saw. */
export function detectArchitecture(tensors: Tensors, names: Iterable<string>): Architecture {
  const found = ARCHITECTURES.find((architecture) => architecture.matches(tensors));
  if (found) return found;
  const seen = [...names].slice(0, 6).join(', ');
  throw new UnsupportedError(
    `${tensors.origin}: no known architecture has these tensors (${seen}, …); known are ${ARCHITECTURES.map((a) => a.name).join(', ')}`,
    { code: 'unknown-architecture', hint: 'fsb inspect lists every tensor of the checkpoint' },
  );
}
