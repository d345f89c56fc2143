/**
 * The report page for people: one HTML file that needs nothing else (no script, no font, no network), in Chinese and
 * English at once; a switch at its top shows one of them.
 */
import type { ClueTask } from './clue-task.ts';
import type { EvaluationRun } from './evaluate.ts';
import { type FoldSummary, meansOfFolds } from './fold-summary.ts';
import { escapeMarkup } from './markup.ts';
import { type Bar, barChart } from './page-chart.ts';
import { confusionSection, MAX_MATRIX_LABELS } from './page-confusions.ts';
import { both, type Column, labelName, percent, table } from './page-markup.ts';
import { PAGE_STYLE } from './page-style.ts';
import { type ReportLanguage, referenceNotes, runNotes } from './report.ts';
import { runBase } from './run-header.ts';

export interface ReportPageOptions {
  readonly runs: readonly EvaluationRun[];
  /** For the labels' names. */
  readonly tasks: readonly ClueTask[];
  /** What is shown first. */
  readonly language: ReportLanguage;
}

const MAX_REFERENCES = 10;

/** The page as one HTML document. */
export function reportPage({ runs, tasks, language }: ReportPageOptions): string {
  const sections = runs.map((run) =>
    runSection(
      run,
      tasks.find(({ name }) => name === run.task),
    ),
  );
  return `<!doctype html>
<html lang="${language === 'zh' ? 'zh-CN' : 'en'}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>fsb eval: ${escapeMarkup([...new Set(runs.map(({ task }) => task))].join(', '))}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<input type="radio" name="language" id="zh"${language === 'zh' ? ' checked' : ''}><label for="zh">中文</label>
<input type="radio" name="language" id="en"${language === 'en' ? ' checked' : ''}><label for="en">English</label>
<main>
<h1>${both('评测报告', 'Evaluation report')}</h1>
${runs.length > 1 ? overview(runs) : ''}
${sections.join('\n')}
</main>
</body>
</html>
`;
}

// --- internal ---

function overview(runs: readonly EvaluationRun[]): string {
  const rows = runs.map((run) => [
    `<a href="#${anchor(run)}">${escapeMarkup(run.task)}</a>`,
    escapeMarkup(run.model.name),
    escapeMarkup(methodOf(run)),
    `<b>${percent(run.accuracy)}</b>`,
    `${percent(run.ci95[0])}–${percent(run.ci95[1])}`,
    percent(run.majority),
    String(run.examples),
  ]);
  const columns: Column[] = [
    { head: both('任务', 'task') },
    { head: both('模型', 'model') },
    { head: both('方法', 'method') },
    { head: both('准确率 %', 'accuracy %'), kind: 'number' },
    { head: both('95 % 区间', '95 % interval'), kind: 'number' },
    { head: both('多数类 %', 'majority %'), kind: 'number' },
    { head: both('样本', 'examples'), kind: 'number' },
  ];
  return table(columns, [...rows, ...meansOfFolds(runs).map(foldRow)]);
}

/** The mean over the folds of a task: where a run has its interval, it has the standard deviation. */
function foldRow({ task, model, method, folds, mean, std, majority, examples }: FoldSummary): string[] {
  return [
    `<b>${escapeMarkup(task)}</b>`,
    escapeMarkup(model.name),
    `${escapeMarkup(method)}, <b>${both(`${folds.length} 折平均 ± 标准差`, `mean of ${folds.length} folds ± standard deviation`)}</b>`,
    `<b>${percent(mean)}</b>`,
    `± ${percent(std)}`,
    percent(majority),
    String(examples),
  ];
}

function runSection(run: EvaluationRun, task: ClueTask | undefined): string {
  const title = task ? both(task.title.zh, task.title.en) : escapeMarkup(run.task);
  const english = runNotes(run, 'en');
  const notes = runNotes(run, 'zh').map((zh, i) => `<li>${both(zh, english[i]!)}</li>`);
  return `<section id="${anchor(run)}">
<h2>${escapeMarkup(run.task)} <small>${title}, ${escapeMarkup(run.split)}${run.fold === null ? '' : `, ${escapeMarkup(run.fold)}`}</small></h2>
<p class="score">${percent(run.accuracy)} % <small>${isOpen(run) ? 'EM; ' : ''}${both('95 % 置信区间', '95 % interval')} ${percent(run.ci95[0])}–${percent(run.ci95[1])}, ${run.correct}/${run.examples}${run.ece === null ? '' : `; ECE ${percent(run.ece)} %`}</small></p>
${notes.length > 0 ? `<ul class="notes">${notes.join('')}</ul>` : ''}
${barChart(barsOf(run))}
${referenceNotes(run, MAX_REFERENCES)
  .map((note) => `<p><small>${escapeMarkup(note)}</small></p>`)
  .join('')}
${isOpen(run) ? '' : labelSections(run, task)}
<h3>${isOpen(run) ? both('错得最远的答案', 'Answers furthest from right') : both('错得最自信的样本', 'Most confident mistakes')}</h3>
${worstRows(run, task)}
<h3>${both('来历', 'Provenance')}</h3>
${provenance(run)}
</section>`;
}

function labelSections(run: EvaluationRun, task: ClueTask | undefined): string {
  return `<h3>${both('各标签', 'Labels')}</h3>
${labelRows(run, task)}
<h3>${both('混淆', 'Confusions')}</h3>
${confusionSection(run, task)}`;
}

function barsOf(run: EvaluationRun): Bar[] {
  const references = run.published.slice(0, MAX_REFERENCES).map(
    (score): Bar => ({
      label: `${escapeMarkup(score.model)}${score.note ? '*' : ''}`,
      value: score.accuracy,
      kind: 'published',
      note: score.insideInterval ? both('在区间内', 'inside the interval') : both('在区间外', 'outside the interval'),
    }),
  );
  return [
    { label: `<b>${escapeMarkup(run.model.name)}</b>`, value: run.accuracy, interval: run.ci95, kind: 'own' },
    ...(run.f1 ? [{ label: 'F1', value: run.f1.f1, interval: run.f1.ci95, kind: 'own' } as const] : []),
    ...references,
    ...baseline(both('多数类', 'majority'), run.majority),
    ...baseline(both('随机', 'random'), run.random),
  ];
}

const baseline = (label: string, value: number | null): Bar[] =>
  value === null ? [] : [{ label, value, kind: 'baseline' }];

function labelRows(run: EvaluationRun, task: ClueTask | undefined): string {
  const columns: Column[] = [
    { head: both('标签', 'label') },
    { head: both('样本', 'examples'), kind: 'number' },
    { head: both('预测', 'predicted'), kind: 'number' },
    { head: both('精确率 %', 'precision %'), kind: 'number' },
    { head: both('召回率 %', 'recall %'), kind: 'number' },
    { head: 'F1 %', kind: 'number' },
  ];
  const rows = run.perLabel.map((score, i) => [
    labelName(run, task, i),
    String(score.support),
    String(score.predicted),
    percent(score.precision),
    percent(score.recall),
    percent(score.f1),
  ]);
  const whole = table(columns, rows);
  return rows.length <= MAX_MATRIX_LABELS
    ? whole
    : `<details><summary>${rows.length} ${both('个标签', 'labels')}</summary>${whole}</details>`;
}

function worstRows(run: EvaluationRun, task: ClueTask | undefined): string {
  if (run.worst.length === 0) return `<p>${both('没有错误。', 'There are none.')}</p>`;
  const nameOf = (value: string): string =>
    isOpen(run) ? escapeMarkup(value) : labelName(run, task, run.labels.indexOf(value));
  const rows = run.worst.map(({ id, texts, label, prediction, probability }) => [
    escapeMarkup(String(id)),
    texts.map(escapeMarkup).join('<br>'),
    nameOf(label),
    nameOf(prediction),
    ...(isOpen(run) ? [] : [percent(probability)]),
  ]);
  const columns: Column[] = [
    { head: 'id' },
    { head: both('文本', 'text'), kind: 'text' },
    { head: both('正确', 'right'), ...(isOpen(run) && { kind: 'text' }) },
    { head: both('回答', 'answer'), ...(isOpen(run) && { kind: 'text' }) },
    ...(isOpen(run) ? [] : [{ head: both('概率 %', 'probability %'), kind: 'number' } as const]),
  ];
  return table(columns, rows);
}

/** Keys and values are markup. */
function provenance(run: EvaluationRun): string {
  const { model, data, environment } = run;
  const facts: readonly (readonly [string, string])[] = [
    [
      both('模型', 'model'),
      `${escapeMarkup(`${model.name}, ${model.dtype}`)}, ${model.revision === null ? both('本地', 'local') : escapeMarkup(model.revision)}`,
    ],
    [both('方法', 'method'), escapeMarkup(`${methodOf(run)} ${JSON.stringify(run.methodDetails)}`)],
    [both('数据', 'data'), escapeMarkup(`${data.file}, md5 ${data.md5}`)],
    [both('样本', 'examples'), `${run.examples} / ${run.available}, ${both('剔除', 'dropped')} ${run.dropped}`],
    [
      both('输入', 'input'),
      `${run.maxLength} ${both('词元以内', 'tokens at most')}, ${run.batchTokens} ${both('词元一批', 'tokens per batch')}`,
    ],
    [both('日期', 'date'), escapeMarkup(`${run.date} (UTC)`)],
    ...Object.entries(environment).map(
      ([key, value]) =>
        [escapeMarkup(key), escapeMarkup(typeof value === 'string' ? value : JSON.stringify(value))] as const,
    ),
    ...run.published
      .slice(0, MAX_REFERENCES)
      .map(
        (score) =>
          [
            both('公开成绩', 'published'),
            escapeMarkup(`${score.model} ${percent(score.accuracy)} %: ${score.source}`),
          ] as const,
      ),
  ];
  return `<details><summary>${both('展开', 'show')}</summary>${table([{ head: '' }, { head: '', kind: 'text' }], facts)}</details>`;
}

/** Open questions have answers instead of labels. */
const isOpen = (run: EvaluationRun): boolean => run.labels.length === 0;

const methodOf = ({ method, fold }: EvaluationRun): string => (fold === null ? method : `${method} ${fold}`);

const anchor = (run: EvaluationRun): string => escapeMarkup(runBase(run).replace(/[^\w-]/g, '-'));
