/** Rows of a bench document for tests. */
import type { BenchDocument, BenchRow } from '../../src/bench/result.ts';
import { summarize } from '../../src/bench/statistics.ts';

export const decoderRow: BenchRow = {
  model: 'wenzhong-mini',
  kind: 'decoder',
  dtype: 'int8',
  device: 'cpu',
  batch: 1,
  sequence: 128,
  loadMs: summarize([100]),
  peakRssBytes: summarize([140e6]),
  examplesPerSecond: null,
  prefillTokensPerSecond: summarize([2000]),
  decodeTokensPerSecond: summarize([90, 100, 110]),
  decodeBandwidthShare: 0.5,
  prefillPeakShare: 0.25,
  examplesPeakShare: null,
};

export const encoderRow: BenchRow = {
  ...decoderRow,
  model: 'erlangshen-mini',
  kind: 'encoder',
  batch: 8,
  examplesPerSecond: summarize([40]),
  prefillTokensPerSecond: null,
  decodeTokensPerSecond: null,
  decodeBandwidthShare: null,
  prefillPeakShare: null,
  examplesPeakShare: 0.8,
};

export function benchDocument(rows: BenchRow[]): BenchDocument {
  return {
    schema: 'fsb.bench/1',
    environment: { cpu: 'test', threads: 2, device: 'cpu', fsb: '0', onnxruntime: '1', node: 'v0', date: 'today' },
    settings: { rounds: 3, newTokens: 64 },
    limits: {
      readBytesPerSecond: 20e9,
      readArrayBytes: 2 ** 28,
      float32OperationsPerSecond: 100e9,
      int8OperationsPerSecond: 400e9,
    },
    rows,
  };
}
