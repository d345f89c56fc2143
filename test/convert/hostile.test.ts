/** Every hostile checkpoint is refused with exit code 6 and a message that names the place; nothing is left of it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { FsbError } from '../../src/util/errors.ts';
import { scratchFolder } from '../helpers/scratch.ts';
import { sharedSet } from '../helpers/shared.ts';

/** What the message must name: the tensor, the entry or the file that is wrong. */
const NAMED: Readonly<Record<string, RegExp>> = {
  'pickle-os-system': /data\.pkl.*"posix\.system"/,
  'pickle-eval': /data\.pkl.*eval/,
  'tensor-beyond-storage': /tensor ".+"/,
  'negative-stride': /tensor ".+"/,
  'huge-overlap': /tensor ".+"/,
  'storage-shorter-than-told': /archive\/data\/|storage|tensor ".+"/,
  'truncated-zip': /pytorch_model\.bin/,
  'zip-path-traversal': /\.\.\/outside\.txt/,
  'safetensors-header-length': /model\.safetensors/,
  'safetensors-overlap': /tensor ".+"/,
  'safetensors-unknown-dtype': /F99/,
  'safetensors-dtype-size': /tensor ".+"/,
  'nan-weight': /tensor ".+".*NaN/,
  'inf-weight': /tensor ".+".*Infinity/,
  'missing-tensor': /encoder\.layer\.0\.intermediate\.dense\.bias/,
  'wrong-shape': /encoder\.layer\.0\.output\.dense\.weight/,
  'unexpected-tensor': /encoder\.layer\.0\.attention\.self\.extra\.weight/,
};

const scratch = scratchFolder('hostile');
const committed = fileURLToPath(new URL('../fixtures/hostile', import.meta.url));
const root = sharedSet('golden/hostile') ?? committed;
const cases = readdirSync(root).filter((name) => name in NAMED);

describe('a hostile checkpoint', () => {
  it.each(cases)('%s is refused', async (name) => {
    const target = path.join(scratch, name);
    const error: unknown = await convertCheckpoint(path.join(root, name), target).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FsbError);
    expect({ exitCode: (error as FsbError).exitCode, message: (error as FsbError).message }).toEqual({
      exitCode: 6,
      message: expect.stringMatching(NAMED[name]!),
    });
    expect(readdirSync(scratch).filter((entry) => entry.startsWith(name))).toEqual([]);
    expect(existsSync(target)).toBe(false);
  });

  it('covers every case that must be refused or reported', () => {
    const file = path.join(root, 'expect.json');
    if (!existsSync(file)) return;
    const expected = JSON.parse(readFileSync(file, 'utf8')) as { case: string; must: string }[];
    expect(
      expected
        .filter(({ must }) => must !== 'accept')
        .map((entry) => entry.case)
        .filter((name) => !(name in NAMED)),
    ).toEqual([]);
  });
});
