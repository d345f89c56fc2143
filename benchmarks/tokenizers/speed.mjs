/**
 * Tokens per CPU second of each tokenizer on lines it has not seen.
 *
 *   npm run build && npx tsx benchmarks/tokenizers/speed.mjs [FOLDER…] [--lines FILE] [--save NAME]
 *
 * FOLDER holds tokenizer files (default: the reference vocabularies beside the repository, else the test fixtures).
 * FILE is plain text, one line each, or a JSON array (default: generated lines, the same ones every time). 3,000 lines
 * warm up, the rest is measured in `trials` parts, each line once; the median and the spread are printed. CPU time is
 * the process's, collecting garbage included. `--save NAME` writes results/NAME.json and the table in benchmarks/README.md.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { brotliDecompressSync } from 'node:zlib';
import { openTokenizer } from '../../dist/tokenizers/open.js';
import { median } from '../../src/bench/statistics.ts';
import { markdownTable } from '../report/markdown-table.ts';
import { provenance, updateReadme, writeResults } from '../report/provenance.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const WARM_UP_LINES = 3000;
const GENERATED_LINES = 23_000;
const TRIALS = 5;

const REFERENCE_FILES = {
  'wordpiece 21,128': { 'vocab.txt': 'bert-chinese-21128.vocab.txt' },
  'wordpiece 12,800': { 'vocab.txt': 'fengshenbang-erlangshen-bert-base.vocab.txt' },
  'byte-bpe 50,257': { 'vocab.json': 'gpt2.vocab.json', 'merges.txt': 'gpt2.merges.txt' },
  'unigram 32,596': { 'spiece.model': 'mt5-cn-bojone.sentencepiece_cn.model' },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { lines: { type: 'string' }, save: { type: 'string' } },
});
const machine = provenance();
const scratch = mkdtempSync(path.join(os.tmpdir(), 'fsb-speed-'));
try {
  const lines = values.lines ? readLines(values.lines) : generateLines(GENERATED_LINES);
  const folders =
    positionals.length > 0 ? positionals.map((folder) => [path.basename(folder), folder]) : knownFolders();
  const rows = [];
  for (const [name, folder] of folders) rows.push(await measure(name, folder, lines));
  report(rows, lines.length);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

async function measure(name, folder, lines) {
  const start = performance.now();
  const tokenizer = await openTokenizer(folder);
  const loadMs = performance.now() - start;
  for (const line of lines.slice(0, WARM_UP_LINES)) tokenizer.encodeIds(line);
  const rest = lines.slice(WARM_UP_LINES);
  const size = Math.floor(rest.length / (2 * TRIALS));
  const speeds = (from, encode) =>
    Array.from({ length: TRIALS }, (_, i) =>
      tokensPerCpuSecond(rest.slice((from + i) * size, (from + i + 1) * size), encode),
    );
  const ids = speeds(0, (line) => tokenizer.encodeIds(line));
  const full = speeds(TRIALS, (line) => tokenizer.encode(line)); // other lines than the ids had
  return { name, loadMs, ids, full };
}

function report(rows, lineCount) {
  const table = markdownTable(
    ['tokenizer', 'load', 'ids only, M tokens/CPU s', 'with offsets, M tokens/CPU s'],
    rows.map(({ name, loadMs, ids, full }) => [name, `${loadMs.toFixed(0)} ms`, summary(ids), summary(full)]),
  );
  console.log(table);
  if (values.save === undefined) return;
  const file = writeResults('tokenizers', values.save, { benchmark: 'tokenizers', ...machine, lineCount, rows });
  const where = `${lineCount} ${values.lines ? 'lines' : 'generated lines'}, ${machine.cpu}, Node ${machine.node}`;
  const head = `\`npx tsx benchmarks/tokenizers/speed.mjs\`: ${where} (${machine.date.slice(0, 10)}, ${file})`;
  updateReadme(`tokenizers:${values.save}`, `${head}\n\n${table}`);
}

function tokensPerCpuSecond(lines, encode) {
  const before = process.cpuUsage();
  let tokens = 0;
  for (const line of lines) tokens += encode(line).ids.length;
  const { user, system } = process.cpuUsage(before);
  return tokens / (user + system); // microseconds: millions of tokens per second
}

function summary(speeds) {
  const [low, middle, high] = [Math.min(...speeds), median(speeds), Math.max(...speeds)].map((v) => v.toFixed(1));
  return `${middle} (${low}–${high})`;
}

function readLines(file) {
  const text = readFileSync(file, 'utf8');
  return text.startsWith('[') ? JSON.parse(text) : text.split('\n').filter((line) => line !== '');
}

function knownFolders() {
  const shared = path.resolve(ROOT, '..', 'shared', 'data', 'vocab');
  if (existsSync(shared))
    return Object.entries(REFERENCE_FILES).map(([name, files]) => {
      const folder = mkdtempSync(path.join(scratch, 'vocabulary-'));
      for (const [to, from] of Object.entries(files)) cpSync(path.join(shared, from), path.join(folder, to));
      return [name, folder];
    });
  const fixtures = path.join(ROOT, 'test', 'fixtures', 'tokenizers');
  writeFileSync(
    path.join(scratch, 'spiece.model'),
    brotliDecompressSync(readFileSync(path.join(fixtures, 'spiece.model.br'))),
  );
  return [
    ['wordpiece (cut down)', path.join(fixtures, 'wordpiece')],
    ['byte-bpe (cut down)', path.join(fixtures, 'byte-bpe')],
    ['unigram (cut down)', scratch],
  ];
}

/** Lines in the manner of Chinese web text: runs of characters with a long tail, punctuation, numbers, some English. */
function generateLines(count) {
  let state = 20241124;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const pick = (values) => values[Math.floor(random() * values.length)];
  const han = () => String.fromCharCode(0x4e00 + Math.floor(random() ** 3 * 0x51a5));
  const word = () => Array.from({ length: 2 + Math.floor(random() * 8) }, () => pick('etaoinshrdlucmfwyp')).join('');
  const parts = [
    ...Array.from({ length: 14 }, () => () => Array.from({ length: 2 + Math.floor(random() * 12) }, han).join('')),
    () => pick('，。、！？：；“”（）'),
    () => pick('，。、！？：；“”（）'),
    () => String(Math.floor(random() * 10 ** Math.ceil(random() * 6))),
    () => ` ${word()} `,
  ];
  return Array.from({ length: count }, () =>
    Array.from({ length: 4 + Math.floor(random() * 12) }, () => pick(parts)()).join(''),
  );
}
