/** The results of a run as tables of text: for the terminal (the command line draws them) and as Markdown. */
import { formatBytes } from '../util/format.ts';
import type { Comparison } from './compare.ts';
import type { MetricName } from './metrics.ts';
import type { BenchDocument, BenchRow, Limits } from './result.ts';
import type { Summary } from './statistics.ts';

export type BenchLanguage = 'zh' | 'en';

export interface BenchTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const WORDS = {
  en: {
    columns: {
      model: 'model',
      dtype: 'dtype',
      shape: 'batch × tokens',
      load: 'load ms',
      examples: 'examples/s',
      examplesShare: '% of peak',
      prefill: 'prefill tok/s',
      prefillShare: '% of peak',
      decode: 'decode tok/s',
      decodeShare: '% of bandwidth',
      rss: 'peak RSS',
      spread: '± %',
    },
    comparison: ['row', 'number', 'before', 'now', 'now ÷ before'],
    limits: (read: string, float32: string, int8: string) =>
      `this machine in the same run: reads ${read}/s, multiplies ${float32} GFLOP/s in float32 and ${int8} GOP/s in int8`,
    noLimits: 'shares are known on the CPU only',
    rounds: (rounds: number) =>
      `medians of ${rounds} rounds, each in fresh processes that take turns; ± is half of the widest range`,
  },
  zh: {
    columns: {
      model: '模型',
      dtype: '数值类型',
      shape: '批 × 词元',
      load: '加载 ms',
      examples: '样本/秒',
      examplesShare: '占峰值 %',
      prefill: '预填充 词元/秒',
      prefillShare: '占峰值 %',
      decode: '解码 词元/秒',
      decodeShare: '占带宽 %',
      rss: '内存峰值',
      spread: '± %',
    },
    comparison: ['项目', '指标', '之前', '现在', '现在 ÷ 之前'],
    limits: (read: string, float32: string, int8: string) =>
      `同一次运行测得的本机上限：内存读取 ${read}/s，float32 矩阵乘 ${float32} GFLOP/s，int8 矩阵乘 ${int8} GOP/s`,
    noLimits: '仅在 CPU 上给出占比',
    rounds: (rounds: number) => `${rounds} 轮的中位数，每轮各用新进程并轮流进行；± 为最大极差的一半`,
  },
} as const;

type Column = keyof (typeof WORDS)['en']['columns'];

const CELLS = {
  model: ({ model }) => model,
  dtype: ({ dtype }) => dtype,
  shape: ({ batch, sequence }) => `${batch} × ${sequence}`,
  load: ({ loadMs }) => loadMs.median.toFixed(0),
  examples: ({ examplesPerSecond }) => speed(examplesPerSecond),
  examplesShare: ({ examplesPeakShare }) => percent(examplesPeakShare),
  prefill: ({ prefillTokensPerSecond }) => speed(prefillTokensPerSecond),
  prefillShare: ({ prefillPeakShare }) => percent(prefillPeakShare),
  decode: ({ decodeTokensPerSecond }) => speed(decodeTokensPerSecond),
  decodeShare: ({ decodeBandwidthShare }) => percent(decodeBandwidthShare),
  rss: ({ peakRssBytes }) => formatBytes(peakRssBytes.median),
  spread: (row) => (50 * widestSpread(row)).toFixed(0),
} as const satisfies Record<Column, (row: BenchRow) => string>;

/** A row for each model, type and shape; columns that would be empty are left out. */
export function benchTable(rows: readonly BenchRow[], language: BenchLanguage): BenchTable {
  const names = (Object.keys(CELLS) as Column[]).filter((name) => rows.some((row) => CELLS[name](row) !== ''));
  return {
    columns: names.map((name) => WORDS[language].columns[name]),
    rows: rows.map((row) => names.map((name) => CELLS[name](row))),
  };
}

/** A row for each number that both runs have. */
export function comparisonTable(comparisons: readonly Comparison[], language: BenchLanguage): BenchTable {
  return {
    columns: WORDS[language].comparison,
    rows: comparisons.map(({ row, metric, before, now, ratio }) => [
      row,
      metric,
      amount(metric, before),
      amount(metric, now),
      ratio.toFixed(2),
    ]),
  };
}

/** What stands under the table. */
export function benchNotes({ limits, settings, rows }: BenchDocument, language: BenchLanguage): string[] {
  const words = WORDS[language];
  return [
    limits === null ? words.noLimits : limitsLine(limits, language),
    ...(rows.length > 0 ? [words.rounds(settings.rounds)] : []),
  ];
}

/** Tables and notes for a page in Markdown. */
export function benchMarkdown(
  document: BenchDocument,
  comparisons: readonly Comparison[] | undefined,
  language: BenchLanguage,
): string {
  const tables = [
    ...(document.rows.length > 0 ? [benchTable(document.rows, language)] : []),
    ...(comparisons ? [comparisonTable(comparisons, language)] : []),
  ];
  const notes = benchNotes(document, language).join('\n');
  const machine = ['cpu', 'threads', 'device', 'fsb', 'onnxruntime', 'node', 'date']
    .map((name) => `${name} ${document.environment[name]}`)
    .join(', ');
  return `${[...tables.map(markdown), notes, machine].join('\n\n')}\n`;
}

// --- internal ---

function limitsLine(limits: Limits, language: BenchLanguage): string {
  return WORDS[language].limits(
    formatBytes(limits.readBytesPerSecond),
    (limits.float32OperationsPerSecond / 1e9).toFixed(0),
    (limits.int8OperationsPerSecond / 1e9).toFixed(0),
  );
}

function speed(summary: Summary | null): string {
  if (summary === null) return '';
  const { median } = summary;
  return median.toFixed(median < 10 ? 2 : median < 100 ? 1 : 0);
}

function percent(share: number | null): string {
  return share === null ? '' : (100 * share).toFixed(share < 0.1 ? 1 : 0);
}

function amount(metric: MetricName, value: number): string {
  return metric === 'rss' ? formatBytes(value) : value.toFixed(value < 100 ? 1 : 0);
}

function widestSpread({ examplesPerSecond, prefillTokensPerSecond, decodeTokensPerSecond }: BenchRow): number {
  const summaries = [examplesPerSecond, prefillTokensPerSecond, decodeTokensPerSecond];
  return Math.max(0, ...summaries.map((summary) => summary?.spread ?? 0));
}

function markdown({ columns, rows }: BenchTable): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}
