/**
 * npm run parity:device -- --device webgpu --adapter "Mesa 25.0.7, llvmpipe": every golden checkpoint in every dtype, on
 * the CPU and on the device, against PyTorch and against each other. Keeps a table per device in benchmarks/parity.md.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { WRITABLE_DTYPES, type WritableDtype } from '../../src/convert/dtypes.ts';
import { runtimeVersion } from '../../src/engine/version.ts';
import { markdownTable } from '../report/markdown-table.ts';
import { provenance, REPOSITORY, updateSection, writeResults } from '../report/provenance.ts';
import { isEqual, readGolden } from './compare.ts';
import { type DeviceParity, measureDevices } from './measure.ts';

const SHARED = fileURLToPath(new URL('../../../shared/golden/models', import.meta.url));
const COMMITTED = fileURLToPath(new URL('../../test/fixtures/models', import.meta.url));
const PAGE = path.join(REPOSITORY, 'benchmarks', 'parity.md');

/** A device may round another way; further than this from PyTorch than the CPU is, it computes something else. */
const MAX_RATIO = 1.25;

interface Row {
  readonly case: string;
  readonly architecture: string;
  readonly dtype: WritableDtype;
  readonly tolerance: number;
  readonly cpuDifference: number;
  readonly deviceDifference: number;
  readonly betweenThem: number;
  readonly cpuArgmaxDiffers: number;
  readonly deviceArgmaxDiffers: number;
  readonly seconds: number;
  readonly warnings: readonly string[];
  readonly ok: boolean;
}

const { values: options } = parseArgs({
  options: { device: { type: 'string' }, adapter: { type: 'string' }, only: { type: 'string' } },
});
const { device, adapter, only = '' } = options;
if (!device || !adapter) throw new Error('expected --device NAME and --adapter "what the device is, with its driver"');

const root = existsSync(SHARED) ? SHARED : COMMITTED;
const scratch = mkdtempSync(path.join(os.tmpdir(), 'fsb-parity-'));
try {
  const rows: Row[] = [];
  for (const name of readdirSync(root).sort())
    if (name.includes(only)) for (const dtype of WRITABLE_DTYPES) rows.push(await measure(device, name, dtype));
  const text = section(rows, device, adapter);
  console.log(text);
  if (root === SHARED && only === '') keep(rows, device, adapter, text);
  if (!rows.every(({ ok }) => ok)) process.exitCode = 9;
} finally {
  rmSync(scratch, { recursive: true });
}

async function measure(name: string, folder: string, dtype: WritableDtype): Promise<Row> {
  const started = performance.now();
  const target = path.join(scratch, `${folder}-${dtype}`);
  await convertCheckpoint(path.join(root, folder), target, { dtype });
  const golden = readGolden(path.join(root, folder));
  const parity = await measureDevices(target, golden, name);
  rmSync(target, { recursive: true });
  const row: Row = {
    case: folder,
    architecture: golden.architecture,
    dtype,
    tolerance: parity.cpu.tolerance,
    cpuDifference: parity.cpu.maxDifference,
    deviceDifference: parity.device.maxDifference,
    betweenThem: parity.betweenThem,
    cpuArgmaxDiffers: parity.cpu.argmaxDiffers,
    deviceArgmaxDiffers: parity.device.argmaxDiffers,
    seconds: (performance.now() - started) / 1000,
    warnings: parity.warnings,
    ok: isRight(parity, dtype),
  };
  console.error(
    `${row.ok ? 'ok  ' : 'FAIL'} ${folder} ${dtype}: ${row.cpuDifference.toExponential(1)} on the CPU, ${row.deviceDifference.toExponential(1)} on ${name}, ${row.seconds.toFixed(1)} s`,
  );
  return row;
}

/** float32 has the goldens' tolerance; what is stored in fewer bits may be as far from PyTorch as on the CPU. */
function isRight({ cpu, device: other }: DeviceParity, dtype: WritableDtype): boolean {
  if (dtype === 'fp32') return isEqual(other);
  return other.compared > 0 && other.maxDifference <= MAX_RATIO * cpu.maxDifference + cpu.tolerance;
}

/** A row per architecture and dtype: the worst of its cases. */
function section(rows: readonly Row[], name: string, what: string): string {
  const architectures = [...new Set(rows.map(({ architecture }) => architecture))].sort();
  const cells = architectures.flatMap((architecture) =>
    WRITABLE_DTYPES.map((dtype) => {
      const cases = rows.filter((row) => row.architecture === architecture && row.dtype === dtype);
      const worst = (of: (row: Row) => number): string => Math.max(...cases.map(of)).toExponential(1);
      const sum = (of: (row: Row) => number): string => String(cases.reduce((total, row) => total + of(row), 0));
      return [
        architecture,
        dtype,
        worst((row) => row.cpuDifference),
        worst((row) => row.deviceDifference),
        worst((row) => row.betweenThem),
        sum((row) => row.cpuArgmaxDiffers),
        sum((row) => row.deviceArgmaxDiffers),
        operatorsOnCpu(cases),
        `${cases.filter(({ ok }) => ok).length} of ${cases.length}`,
      ];
    }),
  );
  const head = [
    'architecture',
    'dtype',
    'max \\|Δ\\| CPU',
    `max \\|Δ\\| ${name}`,
    `CPU − ${name}`,
    'argmax CPU',
    `argmax ${name}`,
    'left to the CPU',
    'right',
  ];
  return [
    `## ${name}`,
    '',
    `${what}, ONNX Runtime ${runtimeVersion()}. Made by \`npm run parity:device\`. Differences are to PyTorch 2.13, the largest of all`,
    'golden checkpoints of an architecture; then the largest between the two devices, how many argmaxes differ from PyTorch’s, and',
    'heavy operators that the device cannot run. A case is right when fp32 is within the tolerance above with every argmax the same,',
    `and another dtype is no further from PyTorch than ${MAX_RATIO} × the same model on the CPU (plus that tolerance). The checkpoints have random`,
    'weights of a few thousand numbers, so that int8 and int4 are far off on any device.',
    '',
    markdownTable(head, cells),
  ].join('\n');
}

function operatorsOnCpu(rows: readonly Row[]): string {
  const found = rows.flatMap(({ warnings }) => warnings).flatMap((text) => text.match(/\w+(?= \(\d+\))/g) ?? []);
  return [...new Set(found)].join(', ') || '–';
}

function keep(rows: readonly Row[], name: string, what: string, text: string): void {
  const page = readFileSync(PAGE, 'utf8');
  if (!page.includes(`<!-- ${name} -->`))
    writeFileSync(PAGE, `${page.trimEnd()}\n\n<!-- ${name} -->\n<!-- /${name} -->\n`);
  updateSection('parity.md', name, text);
  writeResults('parity', name, { provenance: provenance(), adapter: what, rows });
}
