/**
 * Where nobody publishes a hash, the first bytes that were got are trusted and written down, and from then on compared:
 * a file behind a URL cannot be replaced unnoticed.
 */
import path from 'node:path';
import { z } from 'zod';
import { IntegrityError } from '../util/errors.ts';
import { makeFolder, pathExists, writeBytes } from '../util/files.ts';
import { parseWith, readJson } from '../util/json.ts';
import type { TransferredFile } from './transfer-options.ts';

const SCHEMA_ID = 'fsb.first-use/1';
const schema = z.object({
  schema: z.literal(SCHEMA_ID),
  /** By "<source> <path>", where there are commits "<source>@<commit> <path>": a branch may move, a commit may not. */
  pins: z.record(
    z.string(),
    z.object({ sizeBytes: z.number().int().nonnegative(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
});

/** Compares files with what was got from the same source (and commit) before, and pins new ones. Throws IntegrityError. */
export async function pinFirstUse(
  lockFile: string,
  files: readonly TransferredFile[],
  revision?: string,
): Promise<void> {
  const former = (await pathExists(lockFile)) ? parseWith(schema, await readJson(lockFile), lockFile).pins : {};
  const pins = { ...former };
  for (const { path: name, source, sizeBytes, sha256 } of files) {
    const place = source.split('?', 1)[0]; // a signed link is another one each time
    const key = `${place}${revision === undefined ? '' : `@${revision}`} ${name}`;
    const pin = pins[key];
    if (pin && pin.sha256 !== sha256)
      throw new IntegrityError(
        `${name} from ${source}: expected sha256 ${pin.sha256} as at its first use, found ${sha256}`,
        {
          code: 'changed-since-first-use',
          hint: `somebody has replaced it; if that is right, remove its line from ${lockFile} and run the same command again`,
          facts: { path: name, expected: pin.sha256, found: sha256 },
        },
      );
    pins[key] = { sizeBytes, sha256 };
  }
  if (JSON.stringify(pins) === JSON.stringify(former)) return;
  await makeFolder(path.dirname(lockFile));
  await writeBytes(lockFile, `${JSON.stringify({ schema: SCHEMA_ID, pins }, null, 2)}\n`);
}
