/**
 * Tokens and sequences per second of a classifier on AFQMC dev. fp32: fsb, Python ONNX Runtime on the same ONNX file, PyTorch on
 * the same checkpoint. int8: fsb, ONNX Runtime's quantize_dynamic, CTranslate2 where it knows the model, and fsb in fp32. Peers
 * take turns, round by round; medians.
 *
 *   PYTHON=python3 npx tsx benchmarks/encoder/encoder.ts [--preset bert-110m] [--layers 6] [--dtype int8] [--rounds 5] [--share 0.05]
 *
 * Each trial runs the same part of the batches: `--share` of them, evenly spread, once in batches sorted by length under
 * a token budget, once in batches of 32 in file order. `--save NAME` writes results/NAME.json and benchmarks/README.md.
 * Every peer's logits are compared with those of fsb (int8: of fsb in fp32). Needs torch, transformers, onnxruntime, and for int8
 * onnx and ctranslate2 in Python.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { median, quantile } from '../../src/bench/statistics.ts';
import { convertCheckpoint } from '../../src/convert/convert.ts';
import { runtimeVersion } from '../../src/engine/version.ts';
import { planBatches } from '../../src/evaluation/batches.ts';
import { HEAD_BATCH_TOKENS } from '../../src/evaluation/methods/head.ts';
import { isPresetName, PRESETS, type Preset } from '../checkpoints/presets.ts';
import { writeCheckpoint } from '../checkpoints/write-checkpoint.ts';
import { markdownTable } from '../report/markdown-table.ts';
import { provenance, REPOSITORY, updateReadme, writeResults } from '../report/provenance.ts';
import { type Answer, type EncodedRow, ORDERS, type Order, Peer, type Workload } from './protocol.ts';
import { loadRows } from './rows.ts';

const FILE_ORDER_ROWS = 32;
/** fsb in float32, whose logits the int8 ones are held against. */
const FLOAT_PEER = 'fsb fp32';

const { values } = parseArgs({
  options: {
    preset: { type: 'string', default: 'bert-110m' },
    layers: { type: 'string' },
    dtype: { type: 'string', default: 'fp32' },
    rounds: { type: 'string', default: '5' },
    share: { type: 'string', default: '0.05' },
    threads: { type: 'string', default: '2' },
    save: { type: 'string' },
  },
});
const preset = encoderPreset(values.preset);
const isInt8 = values.dtype === 'int8';
if (!isInt8 && values.dtype !== 'fp32') throw new Error(`--dtype: expected fp32 or int8, found "${values.dtype}"`);
const machine = provenance();
const work = await mkdtemp(path.join(os.tmpdir(), 'fsb-encoder-'));
try {
  const checkpoint = path.join(work, 'checkpoint');
  const model = path.join(work, 'model');
  await writeCheckpoint(checkpoint, preset);
  const tokenizer = await tokenizerPart(checkpoint);
  await convertCheckpoint(checkpoint, model, { dtype: 'fp32', tokenizer });
  if (isInt8) await convertCheckpoint(checkpoint, `${model}-int8`, { dtype: 'int8', tokenizer });
  const { source, rows } = await loadRows(checkpoint);
  const workload = path.join(work, 'workload.json');
  const batches = planTrials(rows, Number(values.share));
  writeFileSync(workload, JSON.stringify({ batches } satisfies Workload));

  const peers = await startPeers(checkpoint, model, workload);
  const answers = await measure(peers, Number(values.rounds));
  for (const peer of peers) peer.stop();
  report(source, batches, peers, answers);
} finally {
  rmSync(work, { recursive: true });
}

function encoderPreset(name: string): Preset {
  if (!isPresetName(name) || PRESETS[name].family === 'gpt2')
    throw new Error(`--preset: expected bert-110m or erlangshen-1.3b, found "${name}"`);
  const layers = values.layers === undefined ? PRESETS[name].layers : Number(values.layers);
  return { ...PRESETS[name], layers, head: 'classifier' };
}

/** The model's tokenizer is what the rows are encoded with, and pads. */
async function tokenizerPart(checkpoint: string) {
  const { tokenizerFiles } = await import('../../src/cli/tokenizer-files.ts');
  return (plan: Parameters<typeof tokenizerFiles>[1]) => tokenizerFiles(checkpoint, plan);
}

/** Batches of the whole set in both orders, and of each an evenly spread share. */
function planTrials(rows: readonly EncodedRow[], share: number): Workload['batches'] {
  const lengths = rows.map(({ ids }) => ids.length);
  const inOrder = Array.from({ length: Math.ceil(rows.length / FILE_ORDER_ROWS) }, (_, i) =>
    rows.slice(i * FILE_ORDER_ROWS, (i + 1) * FILE_ORDER_ROWS),
  );
  const sorted = planBatches(lengths, HEAD_BATCH_TOKENS).map((batch) => batch.map((index) => rows[index]!));
  return { sorted: spread(sorted, share), 'file order': spread(inOrder, share) };
}

function spread<T>(items: readonly T[], share: number): T[] {
  const count = Math.max(1, Math.round(items.length * share));
  return Array.from({ length: count }, (_, i) => items[Math.floor(((i + 0.5) * items.length) / count)]!);
}

async function startPeers(checkpoint: string, model: string, workload: string): Promise<Peer[]> {
  const python = process.env.PYTHON ?? 'python3';
  const here = path.join(REPOSITORY, 'benchmarks', 'encoder');
  const { threads } = values;
  const onnx = path.join(model, 'onnx', 'model.onnx');
  const fsb = (name: string, folder: string): Promise<Peer> =>
    Peer.start(name, process.execPath, ['--import', 'tsx', path.join(here, 'peer-fsb.ts'), folder, workload, threads]);
  const inPython = (name: string, script: string, subject: string, ...more: string[]): Promise<Peer> =>
    Peer.start(name, python, [path.join(here, script), subject, workload, threads, ...more]);
  if (!isInt8)
    return [
      await fsb('fsb', model),
      await inPython('onnxruntime', 'peer_onnxruntime.py', onnx),
      await inPython('torch', 'peer_torch.py', checkpoint),
    ];
  return [
    await fsb('fsb', `${model}-int8`),
    await inPython('onnxruntime', 'peer_onnxruntime.py', onnx, 'int8'),
    ...(preset.family === 'bert' ? [await inPython('ctranslate2', 'peer_ctranslate2.py', checkpoint)] : []),
    await fsb(FLOAT_PEER, model),
  ];
}

type Answers = Map<Peer, Record<Order, Answer[]>>;

/** One round to warm up, then `rounds` in which every peer runs both orders once. */
async function measure(peers: readonly Peer[], rounds: number): Promise<Answers> {
  const answers: Answers = new Map(peers.map((peer) => [peer, { sorted: [], 'file order': [] }]));
  for (let round = -1; round < rounds; round++)
    for (const order of ORDERS)
      for (const peer of peers) {
        const answer = await peer.run(order);
        if (round >= 0) answers.get(peer)![order].push(answer);
        console.error(`round ${round + 1}/${rounds} ${order} ${peer.name}: ${answer.seconds.toFixed(2)} s`);
      }
  return answers;
}

function report(source: string, batches: Workload['batches'], peers: readonly Peer[], answers: Answers): void {
  const results = ORDERS.flatMap((order) => {
    const rows = batches[order].flat();
    const tokens = rows.reduce((sum, { ids }) => sum + ids.length, 0);
    const judge = peers.find(({ name }) => name === FLOAT_PEER) ?? peers[0]!;
    const reference = answers.get(judge)![order][0]!.logits;
    return peers.map((peer) => {
      const trials = answers.get(peer)![order];
      const seconds = trials.map((trial) => trial.seconds);
      const ratios = trials.map((trial, round) => trial.seconds / answers.get(peers[0]!)![order][round]!.seconds);
      return {
        peer: peer.name,
        version: peer.info.version,
        order,
        rows: rows.length,
        tokens,
        tokensPerSecond: tokens / median(seconds),
        rowsPerSecond: rows.length / median(seconds),
        tokensPerCpuSecond: tokens / median(trials.map((trial) => trial.cpuSeconds)),
        secondsMedian: median(seconds),
        secondsP95: quantile(seconds, 0.95),
        /** Median over the rounds of this peer's time divided by fsb's in the same round: above 1 fsb is faster. */
        fsbSpeedup: median(ratios),
        maxLogitDifference: Math.max(...trials[0]!.logits.map((logit, i) => Math.abs(logit - reference[i]!))),
        trials: trials.map((trial) => ({ seconds: trial.seconds, cpuSeconds: trial.cpuSeconds })),
      };
    });
  });
  const table = markdownTable(
    ['batches', 'peer', 'tokens/s', 'rows/s', 'tokens/cpu s', 'median s', 'p95 s', 'fsb is × faster', 'max Δ logit'],
    results.map((row) => [
      row.order,
      row.peer,
      row.tokensPerSecond.toFixed(0),
      row.rowsPerSecond.toFixed(1),
      row.tokensPerCpuSecond.toFixed(0),
      row.secondsMedian.toFixed(2),
      row.secondsP95.toFixed(2),
      row.fsbSpeedup.toFixed(2),
      row.maxLogitDifference.toExponential(1),
    ]),
  );
  const speedOf = (peer: string, order: Order): number =>
    results.find((row) => row.peer === peer && row.order === order)!.tokensPerSecond;
  const asUsed = peers
    .slice(1)
    .map(({ name }) => `× ${(speedOf('fsb', 'sorted') / speedOf(name, 'file order')).toFixed(2)} ${name}`);
  const summary = `fsb as it evaluates (sorted) against a plain loop (file order): ${asUsed.join(', ')}.`;
  console.log(`${table}\n\n${summary}`);
  if (values.save === undefined) return;
  const model = { ...preset, weights: 'random', dtype: values.dtype };
  const setting = { threads: Number(values.threads), rounds: Number(values.rounds), share: Number(values.share) };
  const file = writeResults('encoder', values.save, {
    ...{ benchmark: 'encoder', ...machine, onnxruntimeOfFsb: runtimeVersion(), model, source, ...setting, results },
  });
  const command = `npx tsx benchmarks/encoder/encoder.ts ${process.argv.slice(2).join(' ')}`;
  const versions = peers.map(({ name, info }) => `${name} ${info.version}`).join('; ');
  const head = `\`${command}\`: ${values.preset}, ${preset.layers} layers, ${values.dtype}; ${source}; ${machine.cpu}, ${values.threads} threads; ${versions} (${machine.date.slice(0, 10)}, ${file})`;
  updateReadme(`encoder:${values.save}`, `${head}\n\n${table}\n\n${summary}`);
}
