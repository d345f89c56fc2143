/** Which label was taken for which: a matrix of numbers, or for many labels a picture and the commonest confusions. */
import type { ClueTask } from './clue-task.ts';
import type { EvaluationRun } from './evaluate.ts';
import { escapeMarkup } from './markup.ts';
import { both, labelName, table } from './page-markup.ts';

/** A matrix with more labels than this is drawn instead of written. */
export const MAX_MATRIX_LABELS = 20;

const MAX_CONFUSIONS = 20;

/** Shades of the drawn matrix: cells of one shade share a path, so that 119 × 119 cells stay small. */
const SHADES = 5;

export function confusionSection(run: EvaluationRun, task: ClueTask | undefined): string {
  if (run.labels.length <= MAX_MATRIX_LABELS) return matrix(run, task);
  return heatMap(run) + confusions(run, task);
}

// --- internal ---

/** Rows are the right labels, columns the answers; the deeper, the larger the share of the row. */
function matrix(run: EvaluationRun, task: ClueTask | undefined): string {
  const rows = run.confusion.map((counts, i) => {
    const total = sumOf(counts);
    const cells = counts.map(
      (count, j) =>
        `<td class="${i === j ? 'right' : 'wrong'}" style="--share:${(count / total).toFixed(3)}">${count || ''}</td>`,
    );
    return `<tr><th scope="row">${labelName(run, task, i)}</th>${cells.join('')}</tr>`;
  });
  // the rows name the labels; repeated, names would push the last columns out of sight
  const heads = run.labels.map((value) => `<th scope="col">${escapeMarkup(value)}</th>`).join('');
  return `<div class="wide"><table class="matrix"><thead><tr><th>${both('正确 ↓ 回答 →', 'right ↓ answer →')}</th>${heads}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

/** A cell per pair of labels, in the order of the table of labels; what is right lies on the diagonal. */
function heatMap({ confusion, labels }: EvaluationRun): string {
  const paths = new Map<string, string[]>();
  for (const [i, counts] of confusion.entries()) {
    const total = sumOf(counts);
    for (const [j, count] of counts.entries()) {
      if (count === 0) continue;
      const key = `${i === j ? 'right' : 'wrong'} ${Math.ceil((count / total) * SHADES)}`;
      paths.set(key, [...(paths.get(key) ?? []), `M${j} ${i}h1v1h-1z`]);
    }
  }
  const drawn = [...paths].map(([key, cells]) => {
    const [side, shade] = key.split(' ');
    return `<path class="${side}" opacity="${Number(shade) / SHADES}" d="${cells.join('')}"/>`;
  });
  const size = labels.length;
  return `<figure class="heat"><svg viewBox="0 0 ${size} ${size}" role="img">${drawn.join('')}</svg><figcaption>${both(
    `${size} × ${size}：行为正确标签，列为回答；颜色越深，占该行比例越大`,
    `${size} × ${size}: rows are the right labels, columns the answers; the deeper, the larger the share of the row`,
  )}</figcaption></figure>`;
}

function confusions(run: EvaluationRun, task: ClueTask | undefined): string {
  const pairs = run.confusion
    .flatMap((counts, i) => counts.map((count, j) => ({ i, j, count })))
    .filter(({ i, j, count }) => i !== j && count > 0)
    .sort((a, b) => b.count - a.count || a.i - b.i || a.j - b.j)
    .slice(0, MAX_CONFUSIONS);
  return table(
    [
      { head: both('正确', 'right') },
      { head: both('回答', 'answer') },
      { head: both('次数', 'times'), kind: 'number' },
    ],
    pairs.map(({ i, j, count }) => [labelName(run, task, i), labelName(run, task, j), String(count)]),
  );
}

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0) || 1;
