/**
 * Writes a checkpoint with random weights in the format and at the size of a published one.
 *
 *   npx tsx benchmarks/checkpoints/make-checkpoint.ts erlangshen-1.3b /tmp/erlangshen-1.3b
 *   npx tsx benchmarks/checkpoints/make-checkpoint.ts erlangshen-1.3b /tmp/six --layers 6 --head classifier
 *
 * Options: --layers N, --hidden N, --heads N, --dtype float16|float32, --head mlm|classifier, --seed N,
 * --tokenizer DIR (its tokenizer files are copied).
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { requireDiskSpace } from '../../src/util/disk.ts';
import { formatBytes } from '../../src/util/format.ts';
import { FAMILIES } from './families.ts';
import { isPresetName, PRESETS, type Preset } from './presets.ts';
import { writeCheckpoint } from './write-checkpoint.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ layers: { type: 'string' }, hidden: { type: 'string' }, heads: { type: 'string' } },
    ...{ dtype: { type: 'string' }, head: { type: 'string' }, seed: { type: 'string' }, tokenizer: { type: 'string' } },
  },
});
const [name = '', folder] = positionals;
if (!isPresetName(name) || folder === undefined)
  throw new Error(`expected one of ${Object.keys(PRESETS).join(', ')} and a folder, found "${positionals.join(' ')}"`);

const preset = withFlags(PRESETS[name]);
const { storages } = FAMILIES[preset.family].layout(preset, preset.head);
const elements = storages.reduce((sum, { count }) => sum + count, 0);
await requireDiskSpace(path.dirname(path.resolve(folder)), elements * (preset.dtype === 'float16' ? 2 : 4), 'weights');
const started = performance.now();
const sizeBytes = await writeCheckpoint(folder, preset, {
  seed: wholeNumber('seed', values.seed ?? '0'),
  tokenizer: values.tokenizer,
});
const seconds = (performance.now() - started) / 1000;
console.log(`${folder}: ${formatBytes(sizeBytes)} in ${seconds.toFixed(1)} s`);

function withFlags(base: Preset): Preset {
  const { layers, hidden, heads, dtype, head } = values;
  return {
    ...base,
    ...(layers !== undefined && { layers: wholeNumber('layers', layers) }),
    ...(hidden !== undefined && { hidden: wholeNumber('hidden', hidden) }),
    ...(heads !== undefined && { heads: wholeNumber('heads', heads) }),
    ...(dtype !== undefined && { dtype: oneOf('dtype', dtype, ['float16', 'float32'] as const) }),
    ...(head !== undefined && { head: oneOf('head', head, ['mlm', 'classifier'] as const) }),
  };
}

function wholeNumber(flag: string, value: string): number {
  if (!/^\d+$/.test(value)) throw new Error(`--${flag}: expected a whole number, found "${value}"`);
  return Number(value);
}

function oneOf<T extends string>(flag: string, value: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new Error(`--${flag}: expected ${choices.join(' or ')}, found "${value}"`);
  return found;
}
