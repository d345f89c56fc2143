/** From scores to answers: the best label, or within a group the candidates given out so that none is used twice. */
import { argmax } from '../tensor/math.ts';
import { NOT_OFFERED, type ScoredRow } from './predict.ts';

/** The label's index for each row. */
export function decide(rows: readonly Pick<ScoredRow, 'scores' | 'group'>[]): number[] {
  const answers = rows.map(({ scores }) => argmax(scores));
  const groups = new Map<number, number[]>();
  for (const [i, { group }] of rows.entries())
    if (group !== undefined) groups.set(group, [...(groups.get(group) ?? []), i]);
  for (const members of groups.values())
    for (const [i, label] of giveOut(members.map((member) => rows[member]!.scores)).entries())
      answers[members[i]!] = label;
  return answers;
}

// --- internal ---

/**
 * Greedy: the best pair of row and candidate, then the best of what is left (CLUE's logits_matrix_to_array). Rows are
 * compared by the logits themselves; ties go to the earlier row, then to the earlier candidate. With more rows than
 * candidates, the rows left over keep their best.
 */
function giveOut(scores: readonly Float32Array[]): number[] {
  const pairs = scores.flatMap((row, i) => Array.from(row, (score, label) => ({ i, label, score })));
  pairs.sort((a, b) => b.score - a.score || a.i - b.i || a.label - b.label);
  const answers = scores.map(argmax);
  const open = new Set(scores.keys());
  const free = new Set(scores[0]!.keys());
  for (const { i, label, score } of pairs) {
    if (score === NOT_OFFERED || !open.has(i) || !free.has(label)) continue;
    answers[i] = label;
    open.delete(i);
    free.delete(label);
  }
  return answers;
}
