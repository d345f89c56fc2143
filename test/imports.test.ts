/** The architecture's guard: a folder of src imports only the folders in its row. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  util: [],
  registry: ['util'],
  hub: ['util', 'registry'],
  tensor: ['util'],
  checkpoint: ['util', 'tensor'],
  onnx: ['util', 'tensor'],
  architectures: ['util', 'tensor', 'onnx'],
  convert: ['util', 'tensor', 'checkpoint', 'onnx', 'architectures', 'registry'],
  tokenizers: ['util'],
  engine: ['util', 'tensor', 'registry'],
  generation: ['util', 'tensor'],
  pipelines: ['util', 'tensor', 'registry', 'tokenizers', 'engine', 'generation'],
  evaluation: ['util', 'tensor', 'registry', 'pipelines'],
  bench: ['util', 'registry', 'pipelines'],
};

/** Packages that one folder alone may use: the runtime, the network. */
const OWNED_PACKAGES: Readonly<Record<string, string>> = {
  koffi: 'engine',
  'onnxruntime-node': 'engine',
  undici: 'hub',
  commander: 'cli',
  chalk: 'cli',
  'cli-progress': 'cli',
  'cli-table3': 'cli',
};

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map((match) => match[1]!);
}

function sourcesOf(folder: string): string[] {
  return readdirSync(path.join(SRC, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => path.join(SRC, folder, name));
}

const folders = readdirSync(SRC).filter((name) => statSync(path.join(SRC, name)).isDirectory());

describe('the import table', () => {
  it('has a row for every folder', () => {
    expect(
      folders.filter((folder) => folder !== 'cli' && sourcesOf(folder).length > 0 && !(folder in MAY_IMPORT)),
    ).toEqual([]);
  });

  it.each(Object.entries(MAY_IMPORT).filter(([folder]) => folders.includes(folder)))(
    'holds for src/%s',
    (folder, allowed) => {
      const wrong: string[] = [];
      for (const file of sourcesOf(folder))
        for (const name of importsOf(file).filter((specifier) => specifier.startsWith('.'))) {
          const target = path.relative(SRC, path.resolve(path.dirname(file), name)).split(path.sep)[0]!;
          if (target !== folder && !allowed.includes(target)) wrong.push(`${path.relative(SRC, file)} imports ${name}`);
        }
      expect(wrong).toEqual([]);
    },
  );

  it('keeps each native or network package in its folder', () => {
    const wrong: string[] = [];
    for (const folder of folders)
      for (const file of sourcesOf(folder))
        for (const name of importsOf(file)) {
          const owner = OWNED_PACKAGES[name.split('/')[0]!];
          if (owner && owner !== folder) wrong.push(`${path.relative(SRC, file)} imports ${name}`);
        }
    expect(wrong).toEqual([]);
  });

  it('has no circle between folders', () => {
    const visit = (folder: string, trail: readonly string[]): void => {
      expect(trail).not.toContain(folder);
      for (const next of MAY_IMPORT[folder] ?? []) visit(next, [...trail, folder]);
    };
    for (const folder of Object.keys(MAY_IMPORT)) visit(folder, []);
  });
});
