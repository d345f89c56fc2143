import { describe, expect, it } from 'vitest';
import { compareRuns } from '../../src/bench/compare.ts';
import { benchMarkdown, benchNotes, benchTable } from '../../src/bench/report.ts';
import { benchDocument, decoderRow, encoderRow } from './rows.ts';

describe('the report of a bench run', () => {
  it('leaves out columns that no row has', () => {
    const { columns, rows } = benchTable([encoderRow], 'en');
    expect(columns).toEqual([
      'model',
      'dtype',
      'batch × tokens',
      'load ms',
      'examples/s',
      '% of peak',
      'peak RSS',
      '± %',
    ]);
    expect(rows).toEqual([['erlangshen-mini', 'int8', '8 × 128', '100', '40.0', '80', '140 MB', '0']]);
  });

  it('shows speeds with their shares, and half of the widest range', () => {
    const { rows } = benchTable([decoderRow], 'en');
    expect(rows).toEqual([['wenzhong-mini', 'int8', '1 × 128', '100', '2000', '25', '100', '50', '140 MB', '10']]);
  });

  it('says what the machine can do, or that it is not known', () => {
    expect(benchNotes(benchDocument([]), 'en')).toEqual([
      'this machine in the same run: reads 20.0 GB/s, multiplies 100 GFLOP/s in float32 and 400 GOP/s in int8',
    ]);
    expect(benchNotes({ ...benchDocument([]), limits: null }, 'zh')).toEqual(['仅在 CPU 上给出占比']);
  });

  it('gives Markdown with the comparison and the machine', () => {
    const document = benchDocument([decoderRow]);
    const text = benchMarkdown(document, compareRuns([decoderRow], document), 'en');
    expect(text).toContain('| wenzhong-mini int8 cpu 1×128 | decode | 100 | 100 | 1.00 |');
    expect(text).toMatch(/^\| model \| dtype \|/);
    expect(text.trimEnd().split('\n').at(-1)).toContain('cpu test, threads 2');
  });
});
