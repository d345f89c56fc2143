/** Threads give what the same thread gives. */
import { describe, expect, it } from 'vitest';
import { quantize } from '../../src/convert/quantize.ts';
import type { openQuantizer as OpenQuantizer } from '../../src/convert/quantizer.ts';
import type { QuantizedFormat } from '../../src/onnx/graph.ts';

// the built files: a thread is started by Node itself, which may not load TypeScript
const built = new URL('../../dist/convert/quantizer.js', import.meta.url).href;
const { openQuantizer } = (await import(/* @vite-ignore */ built)) as { openQuantizer: typeof OpenQuantizer };

const COLUMNS = 64;
const FORMATS: QuantizedFormat[] = [
  { kind: 'blocks', bits: 4, blockSize: 32 },
  { kind: 'blocks', bits: 8, blockSize: 32 },
  { kind: 'columns' },
];

function rowsOf(seed: number): Float32Array {
  return Float32Array.from({ length: COLUMNS * 5 }, (_, i) => Math.sin(i * 1.7 + seed) * (1 + (i % 7)));
}

describe('openQuantizer', () => {
  it('uses no thread for a small model', async () => {
    const quantizer = openQuantizer(1000);
    expect(quantizer.threads).toBe(0);
    await quantizer.close();
  });

  it.each([0, 1, 2])('gives the same numbers in the order of the calls with %i threads', async (threads) => {
    const quantizer = openQuantizer(1, threads);
    const jobs = FORMATS.flatMap((format) => [1, 2, 3].map((seed) => ({ format, rows: rowsOf(seed) })));
    const results = jobs.map(({ rows, format }) => quantizer.quantize(rows, COLUMNS, format));
    expect(await Promise.all(results)).toEqual(jobs.map(({ rows, format }) => quantize(rows, COLUMNS, format)));
    await quantizer.close();
  });

  it.each([0, 1])('has taken its input when it returns, with %i threads', async (threads) => {
    const quantizer = openQuantizer(1, threads);
    const rows = rowsOf(4);
    const result = quantizer.quantize(rows, COLUMNS, FORMATS[0]!);
    rows.fill(0);
    expect(await result).toEqual(quantize(rowsOf(4), COLUMNS, FORMATS[0]!));
    await quantizer.close();
  });
});
