/**
 * The report page for people: one HTML file that needs nothing else (no script, no font, no network), in Chinese and
 * English at once; a switch at its top shows one of them.
 */
import type { ClueTask } from './clue-task.ts';
import type { EvaluationRun } from './evaluate.ts';
import { escapeMarkup } from './markup.ts';
import { type Bar, barChart } from './page-chart.ts';
import { PAGE_STYLE } from './page-style.ts';
import { type ReportLanguage, runNotes } from './report.ts';

/** Examples of each run by "task split", where they are at hand. */
export type ExampleTexts = Map<string, readonly { readonly text: string; readonly pair?: string }[]>;

export interface ReportPageOptions {
  readonly runs: readonly EvaluationRun[];
  /** For the labels' names. */
  readonly tasks: readonly ClueTask[];
  readonly texts: ExampleTexts;
  /** What is shown first. */
  readonly language: ReportLanguage;
}

/** A matrix with more labels than this is shown as its most frequent confusions. */
const MAX_MATRIX_LABELS = 20;
const MAX_CONFUSIONS = 20;
const MAX_REFERENCES = 10;
const MAX_TEXT_CHARACTERS = 240;

/** The page as one HTML document. */
export function reportPage({ runs, tasks, texts, language }: ReportPageOptions): string {
  const sections = runs.map((run) => {
    const task = tasks.find(({ name }) => name === run.task);
    return runSection(run, task, texts.get(`${run.task} ${run.split}`));
  });
  return `<!doctype html>
<html lang="${language === 'zh' ? 'zh-CN' : 'en'}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>fsb eval: ${escapeMarkup(runs.map(({ task }) => task).join(', '))}</title>
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
    escapeMarkup(run.method),
    `<b>${percent(run.accuracy)}</b>`,
    `${percent(run.ci95[0])}–${percent(run.ci95[1])}`,
    percent(run.majority),
    String(run.examples),
  ]);
  const head = [
    both('任务', 'task'),
    both('模型', 'model'),
    both('方法', 'method'),
    both('准确率 %', 'accuracy %'),
    both('95 % 区间', '95 % interval'),
    both('多数类 %', 'majority %'),
    both('样本', 'examples'),
  ];
  return table(head, rows);
}

function runSection(run: EvaluationRun, task: ClueTask | undefined, texts: ReturnType<ExampleTexts['get']>): string {
  const title = task ? both(task.title.zh, task.title.en) : escapeMarkup(run.task);
  const notes = runNotes(run, 'zh').map((zh, i) => `<li>${both(zh, runNotes(run, 'en')[i]!)}</li>`);
  return `<section id="${anchor(run)}">
<h2>${escapeMarkup(run.task)} <small>${title}, ${escapeMarkup(run.split)}</small></h2>
<p class="score">${percent(run.accuracy)} % <small>${both('95 % 置信区间', '95 % interval')} ${percent(run.ci95[0])}–${percent(run.ci95[1])}, ${run.correct}/${run.examples}; ECE ${percent(run.ece)} %</small></p>
${notes.length > 0 ? `<ul class="notes">${notes.join('')}</ul>` : ''}
${barChart(barsOf(run))}
<h3>${both('各标签', 'Labels')}</h3>
${labelRows(run, task)}
<h3>${both('混淆', 'Confusions')}</h3>
${run.labels.length <= MAX_MATRIX_LABELS ? matrix(run, task) : confusions(run, task)}
<h3>${both('错得最自信的样本', 'Most confident mistakes')}</h3>
${worstRows(run, task, texts)}
<h3>${both('来历', 'Provenance')}</h3>
${provenance(run)}
</section>`;
}

function barsOf(run: EvaluationRun): Bar[] {
  const references = run.published.slice(0, MAX_REFERENCES).map(
    (score): Bar => ({
      label: escapeMarkup(score.model),
      value: score.accuracy,
      kind: 'published',
      note: `${score.insideInterval ? both('在区间内', 'inside the interval') : both('在区间外', 'outside the interval')}${score.note ? `; ${escapeMarkup(score.note)}` : ''}`,
    }),
  );
  return [
    { label: `<b>${escapeMarkup(run.model.name)}</b>`, value: run.accuracy, interval: run.ci95, kind: 'own' },
    ...references,
    { label: both('多数类', 'majority'), value: run.majority, kind: 'baseline' },
    { label: both('随机', 'random'), value: run.random, kind: 'baseline' },
  ];
}

function labelRows(run: EvaluationRun, task: ClueTask | undefined): string {
  const head = [
    both('标签', 'label'),
    both('样本', 'examples'),
    both('预测', 'predicted'),
    both('精确率 %', 'precision %'),
    both('召回率 %', 'recall %'),
    'F1 %',
  ];
  const rows = run.perLabel.map((score, i) => [
    labelName(run, task, i),
    String(score.support),
    String(score.predicted),
    percent(score.precision),
    percent(score.recall),
    percent(score.f1),
  ]);
  const whole = table(head, rows);
  return rows.length <= MAX_MATRIX_LABELS
    ? whole
    : `<details><summary>${rows.length} ${both('个标签', 'labels')}</summary>${whole}</details>`;
}

/** Rows are the right labels, columns the answers; the deeper, the larger the share of the row. */
function matrix(run: EvaluationRun, task: ClueTask | undefined): string {
  const names = run.labels.map((_, i) => labelName(run, task, i));
  const rows = run.confusion.map((counts, i) => {
    const total = counts.reduce((sum, count) => sum + count, 0) || 1;
    const cells = counts.map(
      (count, j) =>
        `<td class="${i === j ? 'right' : 'wrong'}" style="--share:${(count / total).toFixed(3)}">${count || ''}</td>`,
    );
    return `<tr><th scope="row">${names[i]}</th>${cells.join('')}</tr>`;
  });
  return `<div class="wide"><table class="matrix"><thead><tr><th>${both('正确 ↓ 回答 →', 'right ↓ answer →')}</th>${names.map((name) => `<th scope="col">${name}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function confusions(run: EvaluationRun, task: ClueTask | undefined): string {
  const pairs = run.confusion
    .flatMap((counts, i) => counts.map((count, j) => ({ i, j, count })))
    .filter(({ i, j, count }) => i !== j && count > 0)
    .sort((a, b) => b.count - a.count || a.i - b.i || a.j - b.j)
    .slice(0, MAX_CONFUSIONS);
  return table(
    [both('正确', 'right'), both('回答', 'answer'), both('次数', 'times')],
    pairs.map(({ i, j, count }) => [labelName(run, task, i), labelName(run, task, j), String(count)]),
  );
}

function worstRows(run: EvaluationRun, task: ClueTask | undefined, texts: ReturnType<ExampleTexts['get']>): string {
  if (run.worst.length === 0) return `<p>${both('没有错误。', 'There are none.')}</p>`;
  const nameOf = (value: string): string => labelName(run, task, run.labels.indexOf(value));
  const rows = run.worst.map(({ index, id, label, prediction, probability }) => {
    const example = texts?.[index];
    const text = example
      ? [example.text, example.pair]
          .filter((part) => part !== undefined)
          .map((part) => escapeMarkup(cut(part!)))
          .join('<br>')
      : '';
    return [escapeMarkup(String(id)), text, nameOf(label), nameOf(prediction), percent(probability)];
  });
  return table(
    ['id', both('文本', 'text'), both('正确', 'right'), both('回答', 'answer'), both('概率 %', 'probability %')],
    rows,
  );
}

function provenance(run: EvaluationRun): string {
  const facts: readonly [string, unknown][] = [
    [both('模型', 'model'), `${run.model.name}, ${run.model.dtype}, ${run.model.revision ?? both('本地', 'local')}`],
    [both('方法', 'method'), `${run.method} ${JSON.stringify(run.methodDetails)}`],
    [both('数据', 'data'), `${run.data.file}, md5 ${run.data.md5}`],
    [both('样本', 'examples'), `${run.examples} / ${run.available}, ${both('剔除', 'dropped')} ${run.dropped}`],
    [
      both('输入', 'input'),
      `${run.maxLength} ${both('词元以内', 'tokens at most')}, ${run.batchTokens} ${both('词元一批', 'tokens per batch')}`,
    ],
    [both('时间', 'time'), `${run.startedAt}, ${run.seconds.toFixed(1)} s`],
    ...Object.entries(run.environment).map(([key, value]): [string, unknown] => [
      key,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
    ...run.published
      .slice(0, MAX_REFERENCES)
      .map((score): [string, unknown] => [
        both('公开成绩', 'published'),
        `${score.model} ${percent(score.accuracy)} %: ${score.source}`,
      ]),
  ];
  // the bilingual spans are ours, everything else is escaped
  const rows = facts.map(([key, value]) => [
    key.startsWith('<span') ? key : escapeMarkup(key),
    escapeOutsideSpans(String(value)),
  ]);
  return `<details><summary>${both('展开', 'show')}</summary>${table(['', ''], rows)}</details>`;
}

function labelName(run: EvaluationRun, task: ClueTask | undefined, index: number): string {
  const value = run.labels[index] ?? '';
  const label = task?.labels[index];
  if (!label || label.value !== value) return escapeMarkup(value);
  const [zh, en] = [label.zh, label.en ?? label.zh];
  return zh === value && en === value
    ? escapeMarkup(value)
    : `${escapeMarkup(value)} ${both(zh === value ? '' : zh, en === value ? '' : en)}`;
}

/** A text in both languages, of which the page shows one. */
function both(zh: string, en: string): string {
  return `<span lang="zh-CN" class="zh">${escapeMarkup(zh)}</span><span lang="en" class="en">${escapeMarkup(en)}</span>`;
}

const SPAN = /(<span lang="[\w-]+" class="\w\w">[^<]*<\/span>)/;

const escapeOutsideSpans = (text: string): string =>
  text
    .split(SPAN)
    .map((part, i) => (i % 2 === 1 ? part : escapeMarkup(part)))
    .join('');

/** Cells are markup already. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`;
  const thead = head.some((cell) => cell !== '') ? `<thead>${line(head, 'th')}</thead>` : '';
  return `<div class="wide"><table>${thead}<tbody>${rows.map((row) => line(row, 'td')).join('')}</tbody></table></div>`;
}

function cut(text: string): string {
  const characters = [...text];
  return characters.length > MAX_TEXT_CHARACTERS ? `${characters.slice(0, MAX_TEXT_CHARACTERS).join('')}…` : text;
}

const anchor = (run: EvaluationRun): string => escapeMarkup(`${run.task}-${run.split}`.replace(/[^\w.-]/g, '-'));

const percent = (share: number | null): string => (share === null ? '–' : (100 * share).toFixed(2));
