/**
 * Downloads from a hub on this machine: how fast, and what becomes of a file when servers and networks fail.
 *
 *   npm run build && npx tsx benchmarks/pull/pull.ts speed [--size 2000] [--runs 5] [--save NAME]
 *   npm run build && npx tsx benchmarks/pull/pull.ts faults [--save NAME]
 *
 * Peers: curl and aria2c from the system, `hf` of huggingface_hub (HF=path/to/hf chooses one); --clients fsb,curl picks
 * some. `speed` takes turns, client by client, and reports medians; server and client share the cores. `--size` in MB.
 */

import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { median } from '../../src/bench/statistics.ts';
import { formatBytes } from '../../src/util/format.ts';
import {
  type FaultName,
  type FaultServer,
  randomBody,
  serve,
  sha256,
  startFaultServer,
} from '../../test/faults/fault-server.ts';
import { markdownTable } from '../report/markdown-table.ts';
import { provenance, updateReadme, writeResults } from '../report/provenance.ts';
import { CLIENTS, type Client, hasFile, type Job, NAME, PROGRAMS, type Run, runClient } from './clients.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', default: '2000' },
    runs: { type: 'string', default: '5' },
    clients: { type: 'string' },
    work: { type: 'string', default: os.tmpdir() },
    save: { type: 'string' },
  },
});
const HANG_MS = 30_000;
const names = values.clients?.split(',') ?? (positionals[0] === 'faults' ? PROGRAMS : Object.keys(CLIENTS));
const clients = names.map((key): Client => {
  const client = (CLIENTS as Record<string, Client>)[key];
  if (client) return client;
  throw new Error(`--clients ${key}: expected some of ${Object.keys(CLIENTS).join(',')}`);
});
const machine = provenance();
const work = mkdtempSync(path.join(values.work, 'fsb-pull-'));
/** Where the whole point is what comes after a fault: the same command again, up to so many times. */
const MAX_RUNS = 12;

interface Outcome {
  readonly scenario: string;
  readonly client: string;
  readonly verdict: 'right' | 'CORRUPT' | 'error' | 'HUNG' | 'never done';
  readonly exitCode: number | null;
  readonly bytesPerSize: number;
  readonly runs: number;
}

const SINGLE: readonly FaultName[] = [
  'none',
  'connection dropped in every third request',
  'connection dropped after every 100 kB',
  'stall after half, once',
  '500 twice',
  '429 with Retry-After in seconds',
  '200 in place of 206, dropped once',
  'wrong Content-Range, once',
  'wrong Content-Range, always',
  'ranges compressed, once',
  'short body in chunks, once',
  'chunked without length',
  'one bit flipped, once',
  'one bit flipped, always',
  'truncated file',
  '503 always',
  '404',
];

try {
  if (positionals[0] === 'speed') await speed();
  else if (positionals[0] === 'faults') await faults();
  else throw new Error('expected "speed" or "faults"');
} finally {
  rmSync(work, { recursive: true, force: true });
}

// --- speed ---

async function speed(): Promise<void> {
  const body = repeatedBody(Number(values.size) * 1e6);
  await using server = await startFaultServer({ [NAME]: { body } });
  const rows = clients.map((client) => ({ client, runs: [] as Run[] }));
  for (let round = 0; round < Number(values.runs); round++)
    for (const { client, runs } of rows) {
      const job = { url: server.url, folder: path.join(work, 'speed'), sha256: sha256(body) };
      const run = await runClient(client, job, { limitMs: 600_000 });
      if (run.exitCode !== 0 || (await hashOf(client.result(job))) !== job.sha256)
        throw new Error(`${client.name}: exit code ${run.exitCode}, or wrong bytes`);
      runs.push(run);
      console.error(`${client.name}: ${JSON.stringify(run)}`);
      rmSync(job.folder, { recursive: true });
    }
  const megabytes = body.length / 1e6;
  const own = median(rows[0]!.runs.map((run) => run.seconds));
  const table = markdownTable(
    ['client', 'check', 'MB/s', `${rows[0]!.client.name} is × faster`, 'MB per CPU second', 'peak RSS'],
    rows.map(({ client, runs }) => [
      client.name,
      client.check,
      (megabytes / median(runs.map((run) => run.seconds))).toFixed(0),
      (median(runs.map((run) => run.seconds)) / own).toFixed(2),
      (megabytes / median(runs.map((run) => run.cpuSeconds!))).toFixed(0),
      formatBytes(median(runs.map((run) => run.peakRssBytes!))),
    ]),
  );
  report(
    'speed',
    { machine, sizeBytes: body.length, clients: rows.map(({ client, runs }) => ({ client: client.name, runs })) },
    table,
  );
}

// --- faults ---

async function faults(): Promise<void> {
  const outcomes: Outcome[] = [];
  const body = randomBody(12_000_000);
  for (const client of clients) {
    for (const fault of SINGLE) {
      await using server = await startFaultServer({ [NAME]: { body, fault } });
      outcomes.push(await runOnce(fault, client, server, body));
      console.error(JSON.stringify(outcomes.at(-1)));
    }
    outcomes.push(await killed(client), await replaced(client));
    console.error(JSON.stringify(outcomes.slice(-2)));
  }
  const names = [...new Set(outcomes.map((outcome) => outcome.scenario))];
  const cell = (scenario: string, client: Client): string => {
    const { verdict, exitCode, bytesPerSize } = outcomes.find(
      (o) => o.scenario === scenario && o.client === client.name,
    )!;
    return `${verdict}, ${exitCode ?? '–'}, ${bytesPerSize.toFixed(2)}`;
  };
  const table = markdownTable(
    ['fault (verdict, exit code, bytes ÷ size)', ...clients.map((client) => client.name)],
    names.map((name) => [name, ...clients.map((client) => cell(name, client))]),
  );
  report('faults', { machine, outcomes }, table);
}

async function runOnce(scenario: string, client: Client, server: FaultServer, body: Buffer): Promise<Outcome> {
  const job = jobOf(server, body);
  const run = await runClient(client, job, { limitMs: HANG_MS });
  return judge(scenario, client, server, job, body, run, 1);
}

/** kill -9 every 2.5 s until it is done. */
async function killed(client: Client): Promise<Outcome> {
  const body = randomBody(64_000_000);
  await using server = await startFaultServer({ [NAME]: { body, rate: client === CLIENTS.curl ? 24e6 : 3e6 } });
  const job = jobOf(server, body);
  for (let runs = 1; ; runs++) {
    const run = await runClient(client, job, { limitMs: 60_000, killAfterMs: 2500 });
    if (run.exitCode !== null || runs === MAX_RUNS)
      return judge('kill -9 every 2.5 s, same command again', client, server, job, body, run, runs);
  }
}

/** Killed once; then the file at the server is another one, of the same size, with another ETag, and its listing too. */
async function replaced(client: Client): Promise<Outcome> {
  const [old, body] = [randomBody(32_000_000), randomBody(32_000_000)];
  const rate = client === CLIENTS.curl ? 8e6 : 1e6;
  const server = await startFaultServer({ [NAME]: { body: old, rate } });
  const job = jobOf(server, old);
  await runClient(client, job, { limitMs: 60_000, killAfterMs: 2500 });
  await server[Symbol.asyncDispose]();
  await using next = await startFaultServer(
    { [NAME]: { body, fault: (r) => serve(r, '"v2"') } },
    { port: Number(new URL(server.url).port) },
  );
  const again = { ...job, sha256: sha256(body) };
  const run = await runClient(client, again, { limitMs: HANG_MS });
  return judge('file replaced after a kill, same command again', client, next, again, body, run, 2);
}

function jobOf(server: FaultServer, body: Buffer): Job {
  return { url: server.url, folder: mkdtempSync(path.join(work, 'fault-')), sha256: sha256(body) };
}

async function judge(
  scenario: string,
  client: Client,
  server: FaultServer,
  job: Job,
  body: Buffer,
  run: Run,
  runs: number,
): Promise<Outcome> {
  const file = client.result(job);
  const isRight = hasFile(file) && (await hashOf(file)) === sha256(body);
  const bytesPerSize = server.sentBytes / body.length;
  const common = { scenario, client: client.name, exitCode: run.exitCode, bytesPerSize, runs };
  rmSync(job.folder, { recursive: true, force: true });
  if (run.isHung) return { ...common, verdict: 'HUNG' };
  if (run.exitCode === null) return { ...common, verdict: 'never done' };
  // exit code 0 says that the file is good; that is what scripts go by
  if (run.exitCode === 0) return { ...common, verdict: isRight ? 'right' : 'CORRUPT' };
  return { ...common, verdict: 'error' };
}

// --- internal ---

function report(name: string, results: object, table: string): void {
  console.log(table);
  if (values.save === undefined) return;
  const file = writeResults('pull', `${values.save}-${name}`, results);
  const { cpu, cores, date, loadBefore } = machine;
  const how = `npx tsx benchmarks/pull/pull.ts ${name}${name === 'speed' ? ` --size ${values.size} --runs ${values.runs}` : ''} --save ${values.save}`;
  const where = `${cpu}, ${cores} cores, load ${loadBefore.toFixed(1)} before (${date.slice(0, 10)}, ${file})`;
  updateReadme(`pull:${name}`, `\`${how}\`: ${where}\n\n${table}`);
}

/** Random, but made in no time: 64 MB over and over, each with another beginning. */
function repeatedBody(bytes: number): Buffer {
  const block = randomBody(64e6);
  const body = Buffer.allocUnsafe(bytes);
  for (let at = 0; at < bytes; at += block.length) {
    block.writeDoubleLE(at, 0);
    block.copy(body, at);
  }
  return body;
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
