/**
 * Time, memory and bytes of `fsb convert` on checkpoints of published sizes with random weights, each in a process of
 * its own, against the memory rule and the targets.
 *
 *   npm run build && npx tsx benchmarks/convert/convert.ts [PRESET…] [--dtype fp32,fp16] [--runs 3] [--work DIR]
 *
 * Without presets: bert-110m and gpt2-110m. erlangshen-1.3b needs 8 GB of disk, wenzhong-3.5b 22 GB. Checkpoints are
 * made in DIR (default: the folder for temporary files) and deleted afterwards; --keep leaves them. Runs of different
 * types alternate. `--save NAME` writes results/NAME.json and the table in benchmarks/README.md.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { median, quantile } from '../../src/bench/statistics.ts';
import { parseDtype, type WritableDtype } from '../../src/convert/dtypes.ts';
import { folderSize, pathExists } from '../../src/util/files.ts';
import { formatBytes } from '../../src/util/format.ts';
import { FAMILIES } from '../checkpoints/families.ts';
import { isPresetName, PRESETS, type PresetName } from '../checkpoints/presets.ts';
import { writeCheckpoint } from '../checkpoints/write-checkpoint.ts';
import { markdownTable } from '../report/markdown-table.ts';
import { provenance, REPOSITORY, updateReadme, writeResults } from '../report/provenance.ts';
import { memoryRule, TARGETS } from './targets.ts';

interface Run {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssBytes: number;
  readonly writtenBytes: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dtype: { type: 'string', default: 'fp32,fp16,int8,int4' },
    runs: { type: 'string', default: '3' },
    work: { type: 'string', default: path.join(os.tmpdir(), 'fsb-convert') },
    save: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const presets = (positionals.length > 0 ? positionals : ['bert-110m', 'gpt2-110m']).map(presetNamed);
const dtypes = values.dtype.split(',').map(parseDtype);
const machine = provenance();
const measured: { preset: PresetName; dtype: WritableDtype; ruleBytes: number; runs: Run[] }[] = [];
for (const preset of presets) {
  const checkpoint = path.join(values.work, preset);
  if (!(await pathExists(path.join(checkpoint, 'pytorch_model.bin'))))
    await writeCheckpoint(checkpoint, PRESETS[preset]);
  const ruleBytes = memoryRule(largestTensor(preset));
  const rows = dtypes.map((dtype) => ({ preset, dtype, ruleBytes, runs: [] as Run[] }));
  for (let i = 0; i < Number(values.runs); i++)
    for (const row of rows) {
      row.runs.push(await convertOnce(checkpoint, row.dtype));
      console.error(`${preset} ${row.dtype}: ${JSON.stringify(row.runs.at(-1))}`);
    }
  measured.push(...rows);
  if (!values.keep) rmSync(checkpoint, { recursive: true });
}
const results = measured.map(summarize);
const table = markdownTable(
  ['model', 'dtype', 'seconds', 'cpu s', 'peak RSS', 'rule', 'written', 'missed'],
  results.map((row) => [
    row.preset,
    row.dtype,
    row.seconds.toFixed(1),
    row.cpuSeconds.toFixed(1),
    formatBytes(row.peakRssBytes),
    formatBytes(row.ruleBytes),
    formatBytes(row.writtenBytes),
    row.missed.join(', ') || '–',
  ]),
);
console.log(table);
if (values.save !== undefined) {
  const file = writeResults('convert', values.save, { benchmark: 'convert', ...machine, results });
  const command = `npx tsx benchmarks/convert/convert.ts ${presets.join(' ')} --dtype ${values.dtype} --runs ${values.runs}`;
  const where = `${machine.cpu}, ${machine.cores} cores, load ${machine.loadBefore.toFixed(1)} before`;
  const head = `\`${command}\`: ${where} (${machine.date.slice(0, 10)}, ${file})`;
  updateReadme(`convert:${values.save}`, `${head}\n\n${table}`);
}

function presetNamed(name: string): PresetName {
  if (isPresetName(name)) return name;
  throw new Error(`expected one of ${Object.keys(PRESETS).join(', ')}, found "${name}"`);
}

/** Elements of the largest tensor that carries weights; the masks that GPT-2 checkpoints store are not read. */
function largestTensor(preset: PresetName): number {
  const { family, head } = PRESETS[preset];
  const { views } = FAMILIES[family].layout(PRESETS[preset], head);
  return Math.max(...views.map(({ shape }) => shape.reduce((product, size) => product * size, 1)));
}

async function convertOnce(checkpoint: string, dtype: WritableDtype): Promise<Run> {
  const out = path.join(values.work, `out-${dtype}`);
  const usageFile = path.join(values.work, 'usage.json');
  const preload = path.join(REPOSITORY, 'benchmarks', 'convert', 'report-usage.mjs');
  const command = ['--import', preload, path.join(REPOSITORY, 'bin', 'fsb.js')];
  const started = performance.now();
  execFileSync(process.execPath, [...command, 'convert', checkpoint, '--dtype', dtype, '--out', out, '--quiet'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, USAGE_FILE: usageFile },
  });
  const seconds = (performance.now() - started) / 1000;
  const usage = JSON.parse(readFileSync(usageFile, 'utf8')) as { cpuSeconds: number; peakRssBytes: number };
  const writtenBytes = await folderSize(out);
  rmSync(out, { recursive: true });
  return { seconds, ...usage, writtenBytes };
}

function summarize({ preset, dtype, ruleBytes, runs }: (typeof measured)[number]) {
  const of = (field: keyof Run): number[] => runs.map((run) => run[field]);
  const seconds = median(of('seconds'));
  const peakRssBytes = Math.max(...of('peakRssBytes'));
  const writtenBytes = Math.max(...of('writtenBytes'));
  const target = TARGETS[preset]?.[dtype] ?? {};
  const missed = [
    peakRssBytes > ruleBytes && 'memory rule',
    seconds > (target.seconds ?? Number.POSITIVE_INFINITY) && `${target.seconds} s`,
    peakRssBytes > (target.peakRssBytes ?? Number.POSITIVE_INFINITY) && formatBytes(target.peakRssBytes ?? 0),
    writtenBytes > (target.writtenBytes ?? Number.POSITIVE_INFINITY) && formatBytes(target.writtenBytes ?? 0),
  ].filter((miss) => miss !== false);
  return {
    ...{ preset, dtype, seconds, secondsP95: quantile(of('seconds'), 0.95), cpuSeconds: median(of('cpuSeconds')) },
    ...{ peakRssBytes, ruleBytes, writtenBytes, missed, runs },
  };
}
