/** The programs that are compared, each as a user calls it, against the hub of test/faults/fault-server.ts. */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { COMMIT, REPO } from '../../test/faults/fault-server.ts';
import { REPOSITORY } from '../report/provenance.ts';

export const NAME = 'pytorch_model.bin';

export interface Job {
  /** Of the server. */
  readonly url: string;
  /** The client's own folder, kept between runs that shall resume. */
  readonly folder: string;
  readonly sha256: string;
}

export interface Client {
  readonly name: string;
  /** How it checks the bytes, in words. */
  readonly check: string;
  readonly command: (job: Job) => readonly string[];
  readonly env?: (job: Job) => Readonly<Record<string, string>>;
  /** Where the file is when it is done. */
  readonly result: (job: Job) => string;
}

const PLAIN_NODE = path.join(REPOSITORY, 'benchmarks/pull/plain-node.mjs');
const hf = process.env.HF ?? 'hf';
const fileUrl = ({ url }: Job): string => `${url}/${REPO}/resolve/main/${NAME}`;
const inFolder = ({ folder }: Job): string => path.join(folder, NAME);

export const CLIENTS = {
  fsb: {
    name: 'fsb pull',
    check: 'sha256 on the way',
    command: () => [process.execPath, path.join(REPOSITORY, 'bin/fsb.js'), 'pull', 'faulty', '--quiet'],
    env: ({ url, folder }) => ({
      FSB_HOME: path.join(folder, 'fsb'),
      FSB_REGISTRY: overlay(folder),
      HF_ENDPOINT: url,
    }),
    result: ({ folder }) => path.join(folder, 'fsb/checkpoints/faulty', COMMIT, NAME),
  },
  hf: {
    name: 'hf download',
    check: 'size',
    command: () => [hf, 'download', REPO, NAME],
    env: ({ url, folder }) => ({
      HF_HOME: folder,
      HF_ENDPOINT: url,
      HF_HUB_DISABLE_XET: '1',
      HF_HUB_DISABLE_UPDATE_CHECK: '1',
    }),
    result: ({ folder }) => path.join(folder, `hub/models--${REPO.replace('/', '--')}/snapshots/${COMMIT}/${NAME}`),
  },
  aria2: {
    name: 'aria2c -c',
    check: 'none',
    command: (job) => [
      'aria2c',
      '-q',
      '-c',
      '-x8',
      '-s8',
      '-k1M',
      '--retry-wait=1',
      '-d',
      job.folder,
      '-o',
      NAME,
      fileUrl(job),
    ],
    result: inFolder,
  },
  aria2checksum: {
    name: 'aria2c -c --checksum',
    check: 'sha256, second pass',
    command: (job) => [
      ...['aria2c', '-q', '-c', '-x8', '-s8', '-k1M', '--retry-wait=1', `--checksum=sha-256=${job.sha256}`],
      ...['-d', job.folder, '-o', NAME, fileUrl(job)],
    ],
    result: inFolder,
  },
  curl: {
    name: 'curl -C -',
    check: 'none',
    command: (job) => ['curl', '-sfL', '-C', '-', '--retry', '5', '-o', inFolder(job), fileUrl(job)],
    result: inFolder,
  },
  fetch: {
    name: 'node: fetch, sha256, write',
    check: 'sha256, compared with nothing',
    command: (job) => [process.execPath, PLAIN_NODE, 'fetch', fileUrl(job), inFolder(job)],
    result: inFolder,
  },
  socket: {
    name: 'node: socket, sha256, write',
    check: 'sha256, compared with nothing',
    command: (job) => [process.execPath, PLAIN_NODE, 'socket', fileUrl(job), inFolder(job)],
    result: inFolder,
  },
} satisfies Record<string, Client>;

/** Those that a user would have; the others show what a download costs at least. */
export const PROGRAMS: readonly string[] = ['fsb', 'hf', 'aria2', 'aria2checksum', 'curl'];

export interface Run {
  /** null: ended by a signal. */
  readonly exitCode: number | null;
  readonly seconds: number;
  readonly cpuSeconds: number | undefined;
  readonly peakRssBytes: number | undefined;
  readonly isHung: boolean;
}

/** Runs a client to its end, or until `killAfterMs` (SIGKILL), or until it has hung for `limitMs`. */
export async function runClient(
  client: Client,
  job: Job,
  { limitMs, killAfterMs }: { readonly limitMs: number; readonly killAfterMs?: number },
): Promise<Run> {
  mkdirSync(job.folder, { recursive: true });
  const usageFile = path.join(job.folder, 'usage.txt');
  const measured = ['/usr/bin/time', '-q', '-f', '%U %S %M', '-o', usageFile];
  const [program, ...args] = [...(killAfterMs === undefined ? measured : []), ...client.command(job)];
  const started = performance.now();
  const child = spawn(program!, args, {
    env: { PATH: process.env.PATH ?? '', HOME: job.folder, NO_PROXY: '127.0.0.1', ...client.env?.(job) },
    stdio: process.env.DEBUG ? 'inherit' : 'ignore',
    detached: true, // the whole group is ended, not only /usr/bin/time
  });
  const end = (): boolean => process.kill(-child.pid!, 'SIGKILL');
  let isHung = false;
  const limit = setTimeout(() => {
    isHung = true;
    end();
  }, limitMs);
  const kill = killAfterMs === undefined ? undefined : setTimeout(end, killAfterMs);
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  clearTimeout(limit);
  clearTimeout(kill);
  const seconds = (performance.now() - started) / 1000;
  const usage = killAfterMs === undefined && !isHung ? readFileSync(usageFile, 'utf8').trim().split('\n').at(-1)! : '';
  const [user, system, kilobytes] = usage.split(' ').map(Number);
  const isKnown = system !== undefined && kilobytes !== undefined;
  return {
    exitCode,
    seconds,
    cpuSeconds: isKnown ? user! + system : undefined,
    peakRssBytes: isKnown ? kilobytes * 1024 : undefined,
    isHung,
  };
}

/** Bytes of unfinished and finished files below a folder, for the report of what a client leaves. */
export function hasFile(file: string): boolean {
  try {
    return statSync(file).isFile() && readdirSync(path.dirname(file)).every((name) => name !== `${NAME}.aria2`);
  } catch {
    return false;
  }
}

// --- internal ---

/** A registry in which the model "faulty" is the repository of the fault server. */
function overlay(folder: string): string {
  const registry = JSON.parse(readFileSync(path.join(REPOSITORY, 'registry.json'), 'utf8'));
  const { aliases: _, published: __, prompts: ___, ...entry } = registry.models['erlangshen-1.3b'];
  const faulty = {
    ...entry,
    title: { zh: '坏网', en: 'Faulty' },
    sources: [{ kind: 'huggingface', repo: REPO }],
  };
  const file = path.join(folder, 'registry.json');
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, JSON.stringify({ models: { faulty } }));
  return file;
}
