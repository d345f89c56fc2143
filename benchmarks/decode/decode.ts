/**
 * Decode, prefill and first-token speed of a GPT-2 with random weights: fsb against CTranslate2 and llama.cpp with the
 * same weights, in turns within one run, medians.
 *
 *   PYTHON=python3 npx tsx benchmarks/decode/decode.ts CHECKPOINT [--threads 2] [--rounds 5] [--context 128] [--new 64]
 *
 * CHECKPOINT comes from benchmarks/checkpoints/make-checkpoint.ts. Needs Python with ctranslate2, llama-cpp-python, gguf
 * and torch; a peer that is not installed is left out, and said so.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { type DecodeAnswer, Peer } from './protocol.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    context: { type: 'string', default: '128' },
    new: { type: 'string', default: '64' },
    peers: { type: 'string', default: 'fsb-int4,fsb-int8,llama-Q4_0,llama-Q4_K_M,llama-Q8_0,ct2-int8' },
  },
});
const [checkpoint] = positionals;
if (checkpoint === undefined) throw new Error('expected a checkpoint folder; see the head of this file');
const { threads } = values;
const [rounds, context, newTokens] = [values.rounds, values.context, values.new].map(Number) as [
  number,
  number,
  number,
];
const work = path.join(os.tmpdir(), `fsb-decode-${path.basename(checkpoint)}`);
const here = path.dirname(fileURLToPath(import.meta.url));
const python = process.env.PYTHON ?? 'python3';
const prompt = Array.from({ length: context }, (_, i) => (i * 7919 + 13) % 50000);
mkdirSync(work, { recursive: true });

const peers: { peer: Peer; version: string; loadMs: number; answers: DecodeAnswer[] }[] = [];
for (const name of values.peers.split(',')) {
  try {
    const { peer, info } = await Peer.start(name, await commandOf(name));
    peers.push({ peer, ...info, answers: [] });
  } catch (error) {
    console.error(`left out: ${name} (${error instanceof Error ? error.message : error})`);
  }
}
for (const { peer } of peers) await peer.ask({ prompt, newTokens: 8 }); // warm-up
for (let round = 0; round < rounds; round++)
  for (const entry of peers) entry.answers.push(await entry.peer.ask({ prompt, newTokens }));
for (const { peer } of peers) peer.stop();

const rows = peers.map(({ peer, version, loadMs, answers }) => ({
  peer: peer.name,
  version,
  decodeTokensPerSecond: median(answers.map(({ decodeMs }) => ((newTokens - 1) * 1000) / decodeMs)),
  prefillTokensPerSecond: median(answers.map(({ prefillMs }) => (context * 1000) / prefillMs)),
  firstTokenMs: median(answers.map(({ prefillMs }) => prefillMs)),
  loadMs,
  peakRssBytes: Math.max(...answers.map(({ peakRssBytes }) => peakRssBytes)),
}));
const document = {
  benchmark: 'decode',
  checkpoint: path.basename(checkpoint),
  context,
  newTokens,
  rounds,
  threads: Number(threads),
  date: new Date().toISOString(),
  cpu: os.cpus()[0]?.model,
  node: process.version,
  rows,
};
const folder = path.join(here, 'results');
mkdirSync(folder, { recursive: true });
writeFileSync(path.join(folder, `${document.checkpoint}-${context}.json`), `${JSON.stringify(document, null, 2)}\n`);
console.log(table());

function table(): string {
  const best = (of: (row: (typeof rows)[number]) => number): number =>
    Math.max(...rows.filter(({ peer }) => !peer.startsWith('fsb')).map(of));
  const bestDecode = best((row) => row.decodeTokensPerSecond);
  const lines = rows.map((row) =>
    [
      row.peer,
      row.decodeTokensPerSecond.toFixed(1),
      bestDecode > 0 ? (row.decodeTokensPerSecond / bestDecode).toFixed(2) : '–',
      row.prefillTokensPerSecond.toFixed(0),
      row.firstTokenMs.toFixed(0),
      row.loadMs.toFixed(0),
      (row.peakRssBytes / 1e6).toFixed(0),
    ].join(' | '),
  );
  return [
    `${document.checkpoint}, context ${context}, ${newTokens} new tokens, ${threads} threads, median of ${rounds} rounds`,
    '',
    '| peer | decode tok/s | × best peer | prefill tok/s | first token ms | load ms | peak RSS MB |',
    '|---|---|---|---|---|---|---|',
    ...lines.map((line) => `| ${line} |`),
  ].join('\n');
}

async function commandOf(name: string): Promise<string[]> {
  const [family = '', kind = ''] = name.split(/-(.*)/);
  if (family === 'fsb') {
    const folder = path.join(work, name);
    if (!existsSync(folder)) await convertCheckpoint(checkpoint!, folder, { dtype: kind as 'int4' });
    return [process.execPath, '--import', 'tsx', path.join(here, 'peer-fsb.ts'), folder, threads];
  }
  const script = { ct2: 'peer_ctranslate2.py', llama: 'peer_llamacpp.py' }[family];
  if (script === undefined) throw new Error('unknown peer');
  return [python, path.join(here, script), checkpoint!, work, threads, kind];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
