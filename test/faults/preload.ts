/** Libraries in C that stand before the system's own in a process, to lie to it or to write down what it asks for. */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);

/** False, said aloud, where that is not possible; `what` is not tested then. */
export function canPreload(what: string): boolean {
  const isPossible = process.platform === 'linux' && compiler !== undefined;
  if (!isPossible) console.warn(`skipped: ${what} (takes Linux and a C compiler)`);
  return isPossible;
}

/** Compiles the library to `file` and returns the environment of a process that is to have it. */
export function preload(file: string, source: string): { readonly LD_PRELOAD: string } {
  writeFileSync(`${file}.c`, source);
  execFileSync(compiler!, ['-shared', '-fPIC', '-w', '-o', file, `${file}.c`, '-ldl']);
  return { LD_PRELOAD: file };
}
