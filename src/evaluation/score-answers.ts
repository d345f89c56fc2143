/** The scores of open questions: exact match with Wilson's interval, F1 with a bootstrap interval, the worst answers. */
import type { ScoredRow } from './predict.ts';
import type { PublishedReference } from './references.ts';
import { answerF1, exactMatch } from './span-metrics.ts';
import { bootstrapInterval, isInside, wilsonInterval } from './statistics.ts';

/** More mistakes than this nobody reads. */
export const MAX_WORST = 20;

/** As evaluate's own scores, for rows that hold an answer and the right ones. */
export function scoreAnswers(rows: readonly ScoredRow[], published: readonly PublishedReference[]) {
  const scored = rows.map((row) => ({
    row,
    isRight: exactMatch(row.answers!, row.answer!),
    f1: answerF1(row.answers!, row.answer!),
  }));
  const correct = scored.filter(({ isRight }) => isRight).length;
  const accuracy = correct / rows.length;
  const ci95 = wilsonInterval(correct, rows.length);
  const f1 = scored.reduce((sum, row) => sum + row.f1, 0) / rows.length;
  return {
    correct,
    accuracy,
    ci95,
    f1: { f1, ci95: bootstrapInterval(scored.map((row) => row.f1)), average: (accuracy + f1) / 2 },
    majority: null,
    majorityLabel: null,
    random: null,
    published: published.map((score) => ({ ...score, insideInterval: isInside(score.accuracy, ci95) })),
    labels: [],
    perLabel: [],
    confusion: [],
    ece: null,
    nearTies: [],
    worst: scored
      .filter(({ isRight }) => !isRight)
      .sort((a, b) => a.f1 - b.f1 || b.row.scores[0]! - a.row.scores[0]! || a.row.index - b.row.index)
      .slice(0, MAX_WORST)
      .map(({ row: { index, id, texts, label, answer } }) => ({
        index,
        id,
        texts: [...texts].reverse(), // the question first
        label: label!,
        prediction: answer!,
        probability: null,
      })),
  };
}
