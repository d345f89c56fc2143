/**
 * npm run interop: shows every kind of model folder that fsb writes to the programs that people have beside it, and
 * prints what they make of it. Keeps benchmarks/interop/results.json and the table in benchmarks/README.md.
 *
 *   PYTHON=python3 npm run interop [-- --transformers-js DIR] [CASE…]
 *
 * Needs Python with onnx, onnxruntime, tokenizers and transformers. transformers.js is installed into a temporary folder,
 * or taken from DIR/node_modules. Exit code 9 when anything differs that is not among the known limits below.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { markdownTable } from '../report/markdown-table.ts';
import { provenance, REPOSITORY, updateReadme } from '../report/provenance.ts';
import {
  checkGraphs,
  compareGraphs,
  compareIds,
  compareTask,
  type Finding,
  finding,
  folderForTransformersJs,
} from './checks.ts';
import { KNOWN_LIMITS } from './known-limits.ts';
import { type ModelFolder, modelFolders } from './model-folders.ts';
import { Peer } from './peer.ts';

const TRANSFORMERS_JS = '@huggingface/transformers@4.3.1';

/** What is asked of each folder. */
const FIELDS = ['checker', 'onnxruntime', 'tokenizers', 'transformers', 'jsTokenizer', 'js'] as const;
type Field = (typeof FIELDS)[number];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'transformers-js': { type: 'string' } },
});
const work = mkdtempSync(path.join(os.tmpdir(), 'fsb-interop-'));
const python = new Peer('python', process.env.PYTHON ?? 'python3', [here('peer_python.py')]);
try {
  const js = new Peer('transformers.js', process.execPath, [
    here('peer-transformersjs.mjs'),
    values['transformers-js'] ?? installTransformersJs(path.join(work, 'js')),
    path.join(work, 'models'),
  ]);
  const text = z.record(z.string(), z.string());
  const versions = { ...(await python.ask('versions', {}, text)), ...(await js.ask('versions', {}, text)) };
  const rows: Row[] = [];
  for await (const model of modelFolders(work)) {
    if (positionals.length > 0 && !positionals.includes(model.name)) continue;
    rows.push(await examine(python, js, model));
    console.error(`${isFine(rows.at(-1)!) ? 'ok  ' : 'FAIL'} ${model.name}`);
  }
  python.stop();
  js.stop();
  const table = tableOf(rows);
  console.log(table);
  if (positionals.length === 0) keep(rows, versions, table);
  if (!rows.every(isFine)) process.exitCode = 9;
} finally {
  rmSync(work, { recursive: true });
}

interface Row {
  readonly model: string;
  readonly architecture: string;
  readonly checker: Finding;
  readonly onnxruntime: Finding;
  readonly tokenizers: Finding;
  readonly transformers: Finding;
  readonly jsTokenizer: Finding;
  readonly jsTask: string;
  readonly js: Finding;
  /** How config.json was changed for transformers.js; empty when it was not. */
  readonly override: string;
}

async function examine(python: Peer, js: Peer, model: ModelFolder): Promise<Row> {
  const { name, override } = folderForTransformersJs(model);
  const { folder } = model;
  const { task, finding: jsFinding } = await compareTask(js, { ...model, name });
  return {
    model: model.name,
    architecture: model.manifest.architecture,
    checker: await finding(() => checkGraphs(python, model)),
    onnxruntime: await finding(() => compareGraphs(python, model)),
    tokenizers: await finding(() => compareIds(python, 'encode_tokenizers', { folder }, model)),
    transformers: await finding(() => compareIds(python, 'encode_transformers', { folder }, model)),
    jsTokenizer: await finding(() => compareIds(js, 'encode', { model: name }, model)),
    jsTask: task,
    js: jsFinding,
    override,
  };
}

function isFine(row: Row): boolean {
  return FIELDS.every((field) => row[field].ok || limitOf(row, field) >= 0);
}

/** Index of the known limit that explains a difference, or -1. */
function limitOf({ model }: Row, field: Field): number {
  return KNOWN_LIMITS.findIndex(({ models, fields }) => models.test(model) && fields.some((one) => one === field));
}

/** Known limits are numbered and told below. */
function tableOf(rows: readonly Row[]): string {
  const told = (row: Row, field: Field): string => {
    const { ok, text } = row[field];
    const limit = ok ? -1 : limitOf(row, field);
    return ok ? text : limit < 0 ? `**${text}**` : `differs (${limit + 1})`;
  };
  const table = markdownTable(
    [
      ...['architecture', 'model', 'onnx.checker', 'onnxruntime max Δ', 'tokenizers', 'AutoTokenizer'],
      ...['js tokenizer', 'transformers.js', 'result', 'model_type'],
    ],
    rows.map((row) => [
      ...[row.architecture, row.model, told(row, 'checker'), told(row, 'onnxruntime'), told(row, 'tokenizers')],
      ...[told(row, 'transformers'), told(row, 'jsTokenizer'), row.jsTask, told(row, 'js'), row.override || 'as it is'],
    ]),
  );
  return [table, '', ...KNOWN_LIMITS.map(({ reason }, i) => `${i + 1}. ${reason}`)].join('\n');
}

function keep(rows: readonly Row[], versions: Readonly<Record<string, string>>, table: string): void {
  const machine = provenance();
  const results = JSON.stringify({ benchmark: 'interop', ...machine, versions, rows }, null, 2);
  writeFileSync(here('results.json'), `${results}\n`);
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  updateReadme('interop', `\`npm run interop\` with ${named.join(', ')} (${machine.date.slice(0, 10)})\n\n${table}`);
}

/** Without install scripts: they would download what only GPUs need. */
function installTransformersJs(folder: string): string {
  execFileSync('npm', ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', TRANSFORMERS_JS], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return folder;
}

function here(file: string): string {
  return path.join(REPOSITORY, 'benchmarks', 'interop', file);
}
