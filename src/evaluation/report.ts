/** Evaluation runs as tables of text: for the terminal (the command line draws them) and as Markdown. */
import type { ClueTask } from './clue-task.ts';
import type { EvaluationRun } from './evaluate.ts';
import { type FoldSummary, meansOfFolds } from './fold-summary.ts';
import { showShard } from './journal.ts';
import type { PublishedReference } from './references.ts';

export type ReportLanguage = 'zh' | 'en';

export interface Table {
  readonly columns: readonly string[];
  /** As many cells as columns. */
  readonly rows: readonly (readonly string[])[];
}

/** References beyond this many widen the table and say nothing new; the JSON has all. */
const MAX_REFERENCES_SHOWN = 3;

const WORDS = {
  en: {
    run: [
      'task',
      'split',
      'model',
      'method',
      'dtype',
      'accuracy %',
      '95 % interval',
      'examples',
      'majority %',
      'published %',
    ],
    label: ['label', 'name', 'examples', 'predicted', 'precision %', 'recall %', 'F1 %'],
    openAnswers: (f1: string, interval: string, average: string) =>
      `accuracy is exact match; F1 ${f1} % (95 % interval ${interval}), mean of both ${average} %`,
    belowMajority: (majority: string) => `below the majority label (${majority} %)`,
    limited: (examples: number, available: number, seed: number | null) =>
      `a subset of ${examples} of ${available} examples, drawn by seed${seed === null ? '' : ` ${seed}`}`,
    shard: (shard: string, examples: number) =>
      `shard ${shard}, ${examples} examples: fsb eval merge puts the shards together`,
    dropped: (count: number) => `rows without an agreed label, left out: ${count}`,
    unofficial: (file: string, variant: string) => `${file} is not the official file (${variant})`,
    nearTies: (count: number) => `near ties, whose answers may turn with rounding: ${count}`,
    inside: '(inside the interval)',
    foldMean: (method: string, folds: number) => `${method}, mean of ${folds}`,
  },
  zh: {
    run: ['任务', '划分', '模型', '方法', '数值类型', '准确率 %', '95 % 置信区间', '样本数', '多数类 %', '公开成绩 %'],
    label: ['标签', '名称', '样本数', '预测数', '精确率 %', '召回率 %', 'F1 %'],
    openAnswers: (f1: string, interval: string, average: string) =>
      `准确率为完全匹配（EM）；F1 ${f1} %（95 % 区间 ${interval}），两者平均 ${average} %`,
    belowMajority: (majority: string) => `低于多数类基线（${majority} %）`,
    limited: (examples: number, available: number, seed: number | null) =>
      `仅评测 ${available} 个样本中按随机种子${seed === null ? '' : ` ${seed} `}抽取的 ${examples} 个`,
    shard: (shard: string, examples: number) => `分片 ${shard}，${examples} 个样本：用 fsb eval merge 合并`,
    dropped: (count: number) => `已剔除 ${count} 行无一致标注的样本`,
    unofficial: (file: string, variant: string) => `${file} 不是官方文件（${variant}）`,
    nearTies: (count: number) => `${count} 个样本的前两名得分几乎相同，舍入可能改变其答案`,
    inside: '（在区间内）',
    foldMean: (method: string, folds: number) => `${method}，${folds} 折平均`,
  },
} as const;

/** One row per run, and one for the mean of several folds. */
export function runTable(runs: readonly EvaluationRun[], language: ReportLanguage): Table {
  const words = WORDS[language];
  const rows = runs.map((run) => [
    run.task,
    run.split,
    run.model.name,
    run.fold === null ? run.method : `${run.method} ${run.fold}`,
    run.model.dtype,
    percent(run.accuracy),
    `${percent(run.ci95[0])}–${percent(run.ci95[1])}`,
    String(run.examples),
    percent(run.majority),
    references(run.published, words.inside),
  ]);
  return { columns: words.run, rows: [...rows, ...meansOfFolds(runs).map((folds) => foldRow(folds, language))] };
}

/** The mean over the folds: where other rows have an interval, it has the standard deviation. */
function foldRow(folds: FoldSummary, language: ReportLanguage): string[] {
  return [
    folds.task,
    folds.split,
    folds.model.name,
    WORDS[language].foldMean(folds.method, folds.folds.length),
    folds.model.dtype,
    percent(folds.mean),
    `± ${percent(folds.std)}`,
    String(folds.examples),
    percent(folds.majority),
    references(folds.published, ''),
  ];
}

/** One row per label of a run. */
export function labelTable(run: EvaluationRun, task: ClueTask, language: ReportLanguage): Table {
  const rows = run.perLabel.map((score, i) => {
    const label = task.labels[i]!;
    return [
      score.label,
      language === 'zh' ? label.zh : (label.en ?? label.zh),
      String(score.support),
      String(score.predicted),
      percent(score.precision),
      percent(score.recall),
      percent(score.f1),
    ];
  });
  return { columns: WORDS[language].label, rows };
}

/** What a reader must know before believing the number; empty when there is nothing. */
export function runNotes(run: EvaluationRun, language: ReportLanguage): string[] {
  const words = WORDS[language];
  return [
    ...(run.majority !== null && run.accuracy < run.majority ? [words.belowMajority(percent(run.majority))] : []),
    ...(run.f1
      ? [words.openAnswers(percent(run.f1.f1), run.f1.ci95.map(percent).join('–'), percent(run.f1.average))]
      : []),
    ...(run.shard ? [words.shard(showShard(run.shard), run.examples)] : []),
    ...(!run.shard && run.examples < run.available ? [words.limited(run.examples, run.available, run.sampleSeed)] : []),
    ...(run.data.official === false
      ? [words.unofficial(run.data.file, run.data.variant ?? `md5 ${run.data.md5}`)]
      : []),
    ...(run.dropped > 0 ? [words.dropped(run.dropped)] : []),
    ...(run.nearTies.length > 0 ? [words.nearTies(run.nearTies.length)] : []),
  ];
}

/** What makes published scores other measurements than ours, each said once: "* cpm-2.6b, pangu-alpha-13b: among 4 …". */
export function referenceNotes({ published }: EvaluationRun, count: number): string[] {
  const models = new Map<string, string[]>();
  for (const { model, note } of published.slice(0, count))
    if (note) models.set(note, [...(models.get(note) ?? []), model]);
  return [...models].map(([note, names]) => `* ${names.join(', ')}: ${note}`);
}

/** The notes under a table of several runs, each with its run. */
export function tableNotes(run: EvaluationRun, language: ReportLanguage): string[] {
  const notes = [...runNotes(run, language), ...referenceNotes(run, MAX_REFERENCES_SHOWN)];
  return notes.map((note) => `${runTitle(run)}: ${note}`);
}

/** "fewclue-tnews test_public train_0": which of several runs is meant. */
export function runTitle({ task, split, fold }: Pick<EvaluationRun, 'task' | 'split' | 'fold'>): string {
  return [task, split, ...(fold === null ? [] : [fold])].join(' ');
}

/** The runs' table and notes as Markdown. */
export function reportMarkdown(runs: readonly EvaluationRun[], language: ReportLanguage): string {
  const notes = runs.flatMap((run) => tableNotes(run, language)).map((note) => `- ${note}\n`);
  return `${tableMarkdown(runTable(runs, language))}${notes.length > 0 ? `\n${notes.join('')}` : ''}`;
}

/** A table as Markdown (GitHub's tables: https://github.github.com/gfm/#tables-extension-). */
export function tableMarkdown({ columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escapeCell).join(' | ')} |\n`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('');
}

/** A table as CSV (RFC 4180) without a byte order mark: "\r\n" ends lines, cells are quoted where needed. */
export function tableCsv({ columns, rows }: Table): string {
  const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  return [columns, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

// --- internal ---

function references(
  published: readonly (PublishedReference & { readonly insideInterval?: boolean })[],
  inside: string,
): string {
  return published
    .slice(0, MAX_REFERENCES_SHOWN)
    .map(({ model, accuracy, insideInterval, note }) =>
      `${model} ${percent(accuracy)}${note ? '*' : ''} ${insideInterval ? inside : ''}`.trimEnd(),
    )
    .join('; ');
}

const escapeCell = (cell: string): string => cell.replace(/\|/g, '\\|').replace(/\s*\n\s*/g, ' ');

/** 0.7608 → "76.08"; null, where a share is 0/0, → "–". */
const percent = (share: number | null): string => (share === null ? '–' : (100 * share).toFixed(2));
