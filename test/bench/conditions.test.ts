import { describe, expect, it } from 'vitest';
import { compareRuns, unmatchedRows } from '../../src/bench/compare.ts';
import { findFailures, parseConditions } from '../../src/bench/conditions.ts';
import { summarize } from '../../src/bench/statistics.ts';
import { benchDocument, decoderRow, encoderRow } from './rows.ts';

describe('--fail-if', () => {
  it('reads several conditions, ratios and numbers by themselves', () => {
    expect(parseConditions('decode<0.9, loadMs >= 5e2')).toEqual([
      { text: 'decode<0.9', metric: 'decode', isRatio: true, operator: '<', limit: 0.9 },
      { text: 'loadMs >= 5e2', metric: 'loadMs', isRatio: false, operator: '>=', limit: 500 },
    ]);
  });

  it.each(['', 'decode', 'decode<', 'decode<x', 'decode=1', '0.9>decode', 'decode<0.9,'])('refuses "%s"', (text) => {
    expect(() => parseConditions(text)).toThrow('expected NAME<NUMBER');
  });

  it('refuses a name that is none, and says which there are', () => {
    expect(() => parseConditions('speed<1')).toThrow(/unknown name "speed"; against --compare: load, rss/);
  });

  it('compares with an earlier run', () => {
    const before = benchDocument([{ ...decoderRow, decodeTokensPerSecond: summarize([125]) }]);
    const comparisons = compareRuns([decoderRow], before);
    expect(comparisons.find(({ metric }) => metric === 'decode')).toEqual({
      row: 'wenzhong-mini int8 cpu 1×128',
      metric: 'decode',
      before: 125,
      now: 100,
      ratio: 0.8,
    });
    expect(findFailures(parseConditions('decode<0.9,load>1.1'), [decoderRow], comparisons)).toEqual([
      { condition: 'decode<0.9', row: 'wenzhong-mini int8 cpu 1×128', value: 0.8 },
    ]);
    expect(findFailures(parseConditions('decode<0.8'), [decoderRow], comparisons)).toEqual([]);
  });

  it('a number by itself needs no earlier run', () => {
    expect(findFailures(parseConditions('examplesPerSecond<50'), [decoderRow, encoderRow], undefined)).toMatchObject([
      { value: 40 },
    ]);
  });

  it('refuses a condition that no row can fulfil', () => {
    expect(() => findFailures(parseConditions('decodeTokensPerSecond<1'), [encoderRow], undefined)).toThrow(
      'no row has',
    );
    expect(() => findFailures(parseConditions('decode<1'), [decoderRow], [])).toThrow('no row has');
  });

  it('names rows that the earlier run lacks', () => {
    expect(unmatchedRows([decoderRow, encoderRow], benchDocument([decoderRow]))).toEqual([
      'erlangshen-mini int8 cpu 8×128',
    ]);
  });
});
