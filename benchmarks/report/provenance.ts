/** On what and of what a number was measured; stands in every results file. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { FSB_VERSION } from '../../src/util/version.ts';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

export interface Provenance {
  readonly date: string;
  /** The commit, with "+" when files differ from it. */
  readonly commit: string;
  readonly fsb: string;
  readonly node: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  /** Runnable processes over the last minute, before the first measurement: above 1 the machine was shared. */
  readonly loadBefore: number;
}

export function provenance(): Provenance {
  return {
    date: new Date().toISOString(),
    commit: commit(),
    fsb: FSB_VERSION,
    node: process.version,
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    kernel: `${os.type()} ${os.release()}`,
    loadBefore: os.loadavg()[0] ?? 0,
  };
}

/** Writes `benchmarks/<benchmark>/results/<name>.json`; returns the path relative to the repository. */
export function writeResults(benchmark: string, name: string, results: object): string {
  const relative = `benchmarks/${benchmark}/results/${name}.json`;
  const file = path.join(REPOSITORY, relative);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  return relative;
}

/** Puts a text between the lines `<!-- name -->` and `<!-- /name -->` of benchmarks/README.md. */
export function updateReadme(name: string, text: string): void {
  updateSection('README.md', name, text);
}

/** The same for any page of benchmarks/. */
export function updateSection(page: string, name: string, text: string): void {
  const file = path.join(REPOSITORY, 'benchmarks', page);
  const content = readFileSync(file, 'utf8');
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [content.indexOf(open), content.indexOf(close)];
  if (from < 0 || to < from) throw new Error(`benchmarks/${page} has no ${open} … ${close}`);
  writeFileSync(file, `${content.slice(0, from + open.length)}\n${text.trim()}\n${content.slice(to)}`);
}

// --- internal ---

function commit(): string {
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: REPOSITORY, encoding: 'utf8' }).trim();
  return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain', 'src') === '' ? '' : '+');
}
