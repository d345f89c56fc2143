/** The numbers of a row by name: what --compare lists and what --fail-if asks for. */
import type { BenchRow } from './result.ts';

interface Metric {
  readonly of: (row: BenchRow) => number | null;
  /** True where a larger number is the better one. */
  readonly higherIsBetter: boolean;
}

/** Medians, in the unit that the name says. */
export const METRICS = {
  load: { of: ({ loadMs }) => loadMs.median, higherIsBetter: false },
  rss: { of: ({ peakRssBytes }) => peakRssBytes.median, higherIsBetter: false },
  examples: { of: ({ examplesPerSecond }) => examplesPerSecond?.median ?? null, higherIsBetter: true },
  prefill: { of: ({ prefillTokensPerSecond }) => prefillTokensPerSecond?.median ?? null, higherIsBetter: true },
  decode: { of: ({ decodeTokensPerSecond }) => decodeTokensPerSecond?.median ?? null, higherIsBetter: true },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;

/** Numbers that need no earlier run beside them. */
export const ABSOLUTE_METRICS = {
  loadMs: METRICS.load.of,
  peakRssBytes: METRICS.rss.of,
  examplesPerSecond: METRICS.examples.of,
  prefillTokensPerSecond: METRICS.prefill.of,
  decodeTokensPerSecond: METRICS.decode.of,
  examplesPeakShare: (row) => row.examplesPeakShare,
  prefillPeakShare: (row) => row.prefillPeakShare,
  decodeBandwidthShare: (row) => row.decodeBandwidthShare,
} as const satisfies Record<string, Metric['of']>;

export type AbsoluteMetricName = keyof typeof ABSOLUTE_METRICS;
