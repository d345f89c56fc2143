/**
 * Time, memory and bytes of `fsb convert` on checkpoints of published sizes with random weights, each in a process of
 * its own, against the memory rule and the targets.
 *
 *   npm run build && npx tsx benchmarks/convert/convert.ts [PRESET…] [--dtype fp32,fp16] [--runs 3] [--work DIR]
 *
 * Without presets: bert-110m and gpt2-110m. erlangshen-1.3b needs 8 GB of disk, wenzhong-3.5b 22 GB. Checkpoints are
 * made in DIR (default: the folder for temporary files) and deleted afterwards; --keep leaves them. Runs of different
 * types alternate. After its last conversion each model is loaded and answers once (`fsb infer`, eight tokens).
 * `--save NAME` writes results/NAME.json and the table in benchmarks/README.md.
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

/** A process, from start to end. */
interface Usage {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssBytes: number;
}

interface Measured {
  readonly preset: PresetName;
  readonly dtype: WritableDtype;
  readonly ruleBytes: number;
  readonly runs: Run[];
  /** Loading the converted model and one answer. */
  answer?: Usage;
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
const ANSWERED_IDS = JSON.stringify({ input_ids: [101, 2769, 1762, 1266, 776, 1921, 7305, 102] });
const machine = provenance();
const measured: Measured[] = [];
for (const preset of presets) {
  const checkpoint = path.join(values.work, preset);
  if (!(await pathExists(path.join(checkpoint, 'pytorch_model.bin'))))
    await writeCheckpoint(checkpoint, PRESETS[preset]);
  const ruleBytes = memoryRule(largestTensor(preset));
  const rows: Measured[] = dtypes.map((dtype) => ({ preset, dtype, ruleBytes, runs: [] }));
  for (let left = Number(values.runs); left > 0; left--)
    for (const row of rows) {
      const out = path.join(values.work, `out-${row.dtype}`);
      row.runs.push(await convertOnce(checkpoint, row.dtype, out));
      if (left === 1) row.answer = fsb('infer', out, '--ids', ANSWERED_IDS);
      rmSync(out, { recursive: true });
      console.error(`${preset} ${row.dtype}: ${JSON.stringify(row.runs.at(-1))}`);
    }
  measured.push(...rows);
  if (!values.keep) rmSync(checkpoint, { recursive: true });
}
const results = measured.map(summarize);
const table = markdownTable(
  ['model', 'dtype', 'seconds', 'cpu s', 'peak RSS', 'rule', 'written', 'missed', 'first answer', 'its RSS'],
  results.map((row) => [
    row.preset,
    row.dtype,
    row.seconds.toFixed(1),
    row.cpuSeconds.toFixed(1),
    formatBytes(row.peakRssBytes),
    formatBytes(row.ruleBytes),
    formatBytes(row.writtenBytes),
    row.missed.join(', ') || '–',
    row.answer ? `${row.answer.seconds.toFixed(1)} s` : '–',
    row.answer ? formatBytes(row.answer.peakRssBytes) : '–',
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

async function convertOnce(checkpoint: string, dtype: WritableDtype, out: string): Promise<Run> {
  const usage = fsb('convert', checkpoint, '--dtype', dtype, '--out', out, '--quiet');
  return { ...usage, writtenBytes: await folderSize(out) };
}

/** Runs the built program; what it prints is not looked at. */
function fsb(...args: readonly string[]): Usage {
  const usageFile = path.join(values.work, 'usage.json');
  const preload = path.join(REPOSITORY, 'benchmarks', 'convert', 'report-usage.mjs');
  const started = performance.now();
  execFileSync(process.execPath, ['--import', preload, path.join(REPOSITORY, 'bin', 'fsb.js'), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, USAGE_FILE: usageFile },
  });
  const seconds = (performance.now() - started) / 1000;
  return { seconds, ...(JSON.parse(readFileSync(usageFile, 'utf8')) as Omit<Usage, 'seconds'>) };
}

function summarize({ preset, dtype, ruleBytes, runs, answer }: Measured) {
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
    ...{ peakRssBytes, ruleBytes, writtenBytes, missed, answer, runs },
  };
}
