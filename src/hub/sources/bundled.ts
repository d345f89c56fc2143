/** A zip that is installed with fsb itself. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { IntegrityError, NotFoundError } from '../../util/errors.ts';
import { sha256OfFile } from '../../util/files.ts';
import { unsafePathReason } from '../../util/relative-path.ts';
import { compareChecksum } from '../checksum.ts';
import { zipSource } from './local.ts';
import type { Source, SourceSpec } from './source.ts';

/** The installed package: three folders up, from src/hub/sources as from dist/hub/sources. */
const PACKAGE_ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Opens the zip after comparing its size and sha256 with the registry's. Throws NotFoundError, IntegrityError. */
export async function bundledSource(
  spec: Extract<SourceSpec, { kind: 'bundled' }>,
  packageRoot = PACKAGE_ROOT,
  signal?: AbortSignal,
): Promise<Source> {
  const reason = unsafePathReason(spec.path);
  if (reason)
    throw new IntegrityError(`the registry names a bundled file ${JSON.stringify(spec.path)}: ${reason}`, {
      code: 'unsafe-path',
    });
  const file = path.join(packageRoot, spec.path);
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile())
    throw new NotFoundError(`${file} should be part of the installed package and is not there`, {
      code: 'bundled-file-missing',
      hint: 'install fsb again',
    });
  compareChecksum(spec, { sizeBytes: found.size, sha256: await sha256OfFile(file, signal) }, file);
  return zipSource(file, `bundled:${spec.path}`);
}
