/**
 * Decode, prefill and first-token speed of a GPT-2 with random weights: fsb against CTranslate2 and llama.cpp with the
 * same weights, in turns within one run, medians.
 *
 *   npm run build && PYTHON=python3 npx tsx benchmarks/decode/decode.ts CHECKPOINT [--contexts 128,900] [--new 64]
 *       [--rounds 5] [--threads 2] [--peers LIST] [--work DIR] [--save NAME]
 *
 * CHECKPOINT comes from benchmarks/checkpoints/make-checkpoint.ts. Needs Python with ctranslate2, llama-cpp-python, gguf
 * and torch; a peer that is not installed is left out, and said so. Converted models stay in DIR for the next run.
 * `--save NAME` writes results/NAME.json and the table in benchmarks/README.md.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from '../../src/bench/statistics.ts';
import { bestLimits, measureLimits } from '../../src/cli/bench/limits.ts';
import { markdownTable } from '../report/markdown-table.ts';
import { provenance, REPOSITORY, updateReadme, writeResults } from '../report/provenance.ts';
import { type DecodeAnswer, Peer, type PeerInfo } from './protocol.ts';

interface Entry extends PeerInfo {
  readonly peer: Peer;
  /** Of the file that it reads for every token: GPT-2's embedding is its output projection, too. */
  readonly weightBytes: number;
  /** Per context. */
  readonly answers: Map<number, DecodeAnswer[]>;
}

/** What a peer did after a prompt of `context` tokens: medians over the rounds. */
interface Row {
  readonly peer: string;
  readonly version: string;
  readonly context: number;
  readonly decodeTokensPerSecond: number;
  readonly prefillTokensPerSecond: number;
  readonly firstTokenMs: number;
  readonly loadMs: number;
  readonly peakRssBytes: number;
  readonly weightBytes: number;
  readonly answers: readonly DecodeAnswer[];
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    contexts: { type: 'string', default: '128,900' },
    new: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '2' },
    peers: { type: 'string', default: 'fsb-int4,fsb-int8,llama-Q4_0,llama-Q4_K_M,llama-Q8_0,ct2-int8' },
    work: { type: 'string', default: path.join(os.tmpdir(), 'fsb-decode') },
    save: { type: 'string' },
  },
});
const [checkpoint] = positionals;
if (checkpoint === undefined) throw new Error('expected a checkpoint folder; see the head of this file');
const preset = path.basename(checkpoint);
const work = path.join(values.work, preset);
const here = path.dirname(fileURLToPath(import.meta.url));
const contexts = values.contexts.split(',').map(Number);
const [newTokens, rounds] = [Number(values.new), Number(values.rounds)];
const machine = provenance();
mkdirSync(work, { recursive: true });

const entries = await startPeers();
for (const { peer } of entries) await peer.ask({ prompt: promptOf(32), newTokens: 8 }); // warm-up
const threads = Number(values.threads);
const limits = [await measureLimits(threads)];
for (const context of contexts) {
  for (let round = 0; round < rounds; round++)
    for (const { peer, answers } of entries) {
      const answer = await peer.ask({ prompt: promptOf(context), newTokens });
      answers.set(context, [...(answers.get(context) ?? []), answer]);
    }
  limits.push(await measureLimits(threads));
}
for (const { peer } of entries) peer.stop();
const { readBytesPerSecond } = bestLimits(limits);
const rows = contexts.flatMap((context) => entries.map((entry) => summarize(entry, context)));
const table = markdownTable(
  [
    'context',
    'peer',
    'decode tok/s',
    '× best peer',
    'GB of weights',
    '% of bandwidth',
    'prefill tok/s',
    '× best peer',
    'first token ms',
    'load ms',
    'RSS MB',
  ],
  rows.map((row) => [
    String(row.context),
    row.peer,
    row.decodeTokensPerSecond.toFixed(1),
    ratio(row, 'decodeTokensPerSecond'),
    (row.weightBytes / 1e9).toFixed(row.weightBytes < 1e9 ? 3 : 2),
    ((100 * row.weightBytes * row.decodeTokensPerSecond) / readBytesPerSecond).toFixed(0),
    row.prefillTokensPerSecond.toFixed(0),
    ratio(row, 'prefillTokensPerSecond'),
    row.firstTokenMs.toFixed(0),
    row.loadMs.toFixed(0),
    (row.peakRssBytes / 1e6).toFixed(0),
  ]),
);
console.log(table);
if (values.save !== undefined) {
  const file = writeResults('decode', values.save, {
    benchmark: 'decode',
    ...machine,
    preset,
    newTokens,
    rounds,
    readBytesPerSecond,
    rows,
  });
  const command = `npx tsx benchmarks/decode/decode.ts ${preset} --contexts ${values.contexts} --new ${newTokens} --rounds ${rounds} --threads ${values.threads}`;
  const where = `${machine.cpu}, ${values.threads} threads, load ${machine.loadBefore.toFixed(1)} before, reads ${(readBytesPerSecond / 1e9).toFixed(1)} GB/s`;
  const versions = entries.map(({ peer, version }) => `${peer.name} ${version}`).join(', ');
  updateReadme(
    `decode:${values.save}`,
    `\`${command}\`: ${where}; ${versions} (${machine.date.slice(0, 10)}, ${file})\n\n${table}`,
  );
}

async function startPeers(): Promise<Entry[]> {
  const started: Entry[] = [];
  for (const name of values.peers.split(',')) {
    try {
      const { peer, info } = await Peer.start(name, commandOf(name));
      started.push({ peer, ...info, weightBytes: weightBytesOf(name), answers: new Map() });
    } catch (error) {
      console.error(`left out: ${name} (${error instanceof Error ? error.message : error})`);
    }
  }
  return started;
}

function commandOf(name: string): string[] {
  const [family = '', kind = ''] = name.split(/-(.*)/);
  if (family === 'fsb') {
    const folder = path.join(work, name);
    const convert = [path.join(REPOSITORY, 'bin', 'fsb.js'), 'convert', checkpoint!, '--dtype', kind, '--out', folder];
    if (!existsSync(folder))
      execFileSync(process.execPath, [...convert, '--quiet'], { stdio: ['ignore', 'ignore', 'inherit'] });
    return [process.execPath, '--import', 'tsx', path.join(here, 'peer-fsb.ts'), folder, values.threads];
  }
  const script = { ct2: 'peer_ctranslate2.py', llama: 'peer_llamacpp.py' }[family];
  if (script === undefined) throw new Error('unknown peer');
  return [process.env.PYTHON ?? 'python3', path.join(here, script), checkpoint!, work, values.threads, kind];
}

function weightBytesOf(name: string): number {
  const [family = '', kind = ''] = name.split(/-(.*)/);
  if (family === 'ct2') return statSync(path.join(work, name, 'model.bin')).size;
  if (family === 'llama') return statSync(path.join(work, `model-${kind}.gguf`)).size;
  const folder = path.join(work, name, 'onnx');
  return readdirSync(folder).reduce((sum, file) => sum + statSync(path.join(folder, file)).size, 0);
}

/** Ids without a pattern, the same in every run. */
function promptOf(length: number): number[] {
  return Array.from({ length }, (_, i) => (i * 7919 + 13) % 50000);
}

function summarize({ peer, version, loadMs, weightBytes, answers }: Entry, context: number): Row {
  const trials = answers.get(context)!;
  const firstTokenMs = median(trials.map(({ prefillMs }) => prefillMs));
  return {
    peer: peer.name,
    version,
    context,
    decodeTokensPerSecond: median(trials.map(({ decodeMs }) => ((newTokens - 1) * 1000) / decodeMs)),
    prefillTokensPerSecond: (context * 1000) / firstTokenMs,
    firstTokenMs,
    loadMs,
    peakRssBytes: Math.max(...trials.map(({ peakRssBytes }) => peakRssBytes)),
    weightBytes,
    answers: trials,
  };
}

/** Against the fastest of the others at the same context. */
function ratio(row: Row, field: 'decodeTokensPerSecond' | 'prefillTokensPerSecond'): string {
  const others = rows.filter(({ peer, context }) => context === row.context && !peer.startsWith('fsb'));
  return others.length === 0 ? '–' : (row[field] / Math.max(...others.map((other) => other[field]))).toFixed(2);
}
