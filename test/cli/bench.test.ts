/** fsb bench from outside: its forms, its refusals, and 9 when a condition holds. Speeds themselves are not judged. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { runFsb } from '../helpers/run-fsb.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const home = scratchFolder('cli-bench');
const saved = path.join(home, 'before.json');
const quick = ['wenzhong-mini', '--rounds', '1', '--sequence', '16', '--new-tokens', '4'];
const bench = (...args: string[]) => runFsb(['bench', ...args], { home });

beforeAll(async () => {
  const { code, stdout, stderr } = await bench(...quick, '--json');
  expect({ code, stderr }).toMatchObject({ code: 0 });
  writeFileSync(saved, stdout);
});

describe('bench', () => {
  it('prints one document with every trial and the limits of the machine', () => {
    const document = JSON.parse(readFileSync(saved, 'utf8'));
    expect(document).toMatchObject({
      schema: 'fsb.bench/1',
      settings: { rounds: 1, newTokens: 4 },
      rows: [{ model: 'wenzhong-mini', kind: 'decoder', dtype: 'fp32', device: 'cpu', batch: 1, sequence: 16 }],
    });
    const [row] = document.rows;
    for (const name of ['loadMs', 'peakRssBytes', 'prefillTokensPerSecond', 'decodeTokensPerSecond'])
      expect(row[name].trials).toHaveLength(1);
    expect(row.decodeBandwidthShare).toBeGreaterThan(0);
    expect(document.limits.int8OperationsPerSecond).toBeGreaterThan(0);
    expect(document.environment).toMatchObject({ runtime: 'capi', fsb: expect.any(String), date: expect.any(String) });
  });

  it('compares with a saved run, in Markdown, and ends with 9 when a condition holds', async () => {
    const args = [...quick, '--compare', saved, '--format', 'markdown'];
    const { code, stdout, stderr } = await bench(...args, '--fail-if', 'decode<1e9,loadMs>1e9');
    expect(code).toBe(9);
    expect(stdout).toContain('| wenzhong-mini fp32 cpu 1×16 | decode |');
    expect(stderr).toContain('decode<1e9 holds');
    expect(stderr).not.toContain('loadMs>1e9 holds');
  });

  it('measures an encoder at several shapes, and the machine alone', async () => {
    const table = await bench('erlangshen-mini', '--rounds', '1', '--batch', '1,4', '--sequence', '16');
    expect(table.code).toBe(0);
    expect(table.stdout).toMatch(/batch × tokens .*examples\/s .*% of peak/);
    expect(table.stdout).toMatch(/\n\S+ +fp32 +4 × 16 /);
    const machine = await bench('--suite', 'machine', '--rounds', '1');
    expect(machine).toMatchObject({ code: 0, stdout: expect.stringMatching(/^this machine .* GOP\/s in int8\n$/) });
  });

  it.each([
    [['--fail-if', 'decode<0.9'], 2, 'needs an earlier run'],
    [['--fail-if', 'speed<1'], 2, 'unknown name "speed"'],
    [['--sequence', '16', '--new-tokens', '300'], 2, '--new-tokens 300'],
    [['--compare', 'package.json'], 6, 'fsb.bench/1'],
    [['--suite', 'minis'], 2, 'stands instead of a model'],
    [['--dtype', 'fp32,int3'], 2, 'int3'],
    [['--batch', '0'], 2, '--batch 0'],
    [['--device', 'cuda'], 8, 'cuda'],
  ])('%j exits with %d', async (args, expected, message) => {
    const { code, stderr } = await bench('wenzhong-mini', '--rounds', '1', ...args);
    expect({ code, stderr }).toMatchObject({ code: expected, stderr: expect.stringContaining(message) });
  });
});
