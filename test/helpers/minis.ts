/** The embedded minis, converted once per test file. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { tokenizerFiles } from '../../src/cli/tokenizer-files.ts';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import type { WritableDtype } from '../../src/convert/dtypes.ts';
import { importArchive } from '../../src/hub/import.ts';

const MODELS = fileURLToPath(new URL('../../models', import.meta.url));

/** Imports and converts `models/<name>.zip` below `scratch`; returns the model folder. */
export async function convertMini(scratch: string, name: string, dtype: WritableDtype = 'fp32'): Promise<string> {
  const checkpoint = path.join(scratch, name);
  await importArchive(path.join(MODELS, `${name}.zip`), checkpoint);
  const target = path.join(scratch, `${name}-${dtype}`);
  await convertCheckpoint(checkpoint, target, { dtype, name, tokenizer: (plan) => tokenizerFiles(checkpoint, plan) });
  return target;
}
