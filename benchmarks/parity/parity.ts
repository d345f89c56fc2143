/**
 * npm run parity: converts every golden checkpoint, compares every output with PyTorch's, prints the table and keeps it in
 * benchmarks/parity.md. Without the larger set beside the repository it runs the committed cases and keeps nothing.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { runtimeVersion } from '../../src/engine/version.ts';
import { requireProbes, runProbes } from '../../src/pipelines/check-model.ts';
import { FSB_VERSION } from '../../src/util/version.ts';
import { updateSection } from '../report/provenance.ts';
import { type CaseParity, isEqual, readGolden } from './compare.ts';
import { measureParity } from './measure.ts';

const SHARED = fileURLToPath(new URL('../../../shared/golden/models', import.meta.url));
const COMMITTED = fileURLToPath(new URL('../../test/fixtures/models', import.meta.url));

const root = existsSync(SHARED) ? SHARED : COMMITTED;
const scratch = mkdtempSync(path.join(os.tmpdir(), 'fsb-parity-'));
try {
  const rows: CaseParity[] = [];
  for (const name of readdirSync(root).sort()) {
    const target = path.join(scratch, name);
    const manifest = await convertCheckpoint(path.join(root, name), target);
    requireProbes(await runProbes(target, manifest), name);
    rows.push(await measureParity(target, readGolden(path.join(root, name))));
    console.error(`${isEqual(rows.at(-1)!) ? 'ok  ' : 'FAIL'} ${name}`);
  }
  const table = markdown(rows);
  console.log(table);
  if (root === SHARED) updateSection('parity.md', 'cpu', table);
  if (!rows.every(isEqual)) process.exitCode = 9;
} finally {
  rmSync(scratch, { recursive: true });
}

function markdown(rows: readonly CaseParity[]): string {
  const cells = rows.map((row) => [
    row.architecture,
    row.case,
    String(row.compared),
    row.maxDifference.toExponential(1),
    row.worstOutput,
    row.tolerance.toExponential(1),
    String(row.argmaxDiffers),
    isEqual(row) ? 'yes' : '**no**',
  ]);
  const head = ['architecture', 'case', 'numbers', 'max \\|Δ\\|', 'in', 'tolerance', 'argmax differs', 'equal'];
  return [
    `fp32 on the CPU, fsb ${FSB_VERSION}, ONNX Runtime ${runtimeVersion()}, Node ${process.version}. Made by \`npm run parity\`.`,
    'Every output of every input of each golden checkpoint is compared with PyTorch 2.13; the tolerance is',
    '`max(1e-4, 8 × noise_float32)`, the noise being the difference of PyTorch’s own float32 and float64 runs.',
    '',
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---').join('|')}|`,
    ...cells.map((row) => `| ${row.join(' | ')} |`),
    '',
  ].join('\n');
}
