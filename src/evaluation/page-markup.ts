/** The pieces that the report page is put together from: texts in two languages, tables, label names. */
import type { ClueTask } from './clue-task.ts';
import type { EvaluationRun } from './evaluate.ts';
import { escapeMarkup } from './markup.ts';

export interface Column {
  /** Markup. */
  readonly head: string;
  /** Numbers stand right, long texts may break anywhere; the rest is kept in one piece. */
  readonly kind?: 'number' | 'text';
}

/** A text in both languages, of which the page shows one. */
export function both(zh: string, en: string): string {
  if (zh === en) return escapeMarkup(zh);
  return `<span lang="zh-CN" class="zh">${escapeMarkup(zh)}</span><span lang="en" class="en">${escapeMarkup(en)}</span>`;
}

/** Cells are markup already. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const attribute = (index: number): string => {
    const kind = columns[index]?.kind;
    return kind ? ` class="${kind}"` : '';
  };
  const line = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell, i) => `<${tag}${attribute(i)}>${cell}</${tag}>`).join('')}</tr>`;
  const heads = columns.map(({ head }) => head);
  const thead = heads.some((head) => head !== '') ? `<thead>${line(heads, 'th')}</thead>` : '';
  return `<div class="wide"><table>${thead}<tbody>${rows.map((row) => line(row, 'td')).join('')}</tbody></table></div>`;
}

/** A label as the data set writes it, with its name where that says more. */
export function labelName(run: EvaluationRun, task: ClueTask | undefined, index: number): string {
  const value = run.labels[index] ?? '';
  const label = task?.labels[index];
  if (!label || label.value !== value) return escapeMarkup(value);
  const [zh, en] = [label.zh, label.en ?? label.zh];
  return zh === value && en === value
    ? escapeMarkup(value)
    : `${escapeMarkup(value)} ${both(zh === value ? '' : zh, en === value ? '' : en)}`.trimEnd();
}

/** 0.7608 → "76.08"; null, where a share is 0/0 or there is none, → "–". */
export const percent = (share: number | null): string => (share === null ? '–' : (100 * share).toFixed(2));
