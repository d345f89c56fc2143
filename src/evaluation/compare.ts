/** Two models' answers to the same examples: is the difference of their scores more than chance? */
import { UsageError } from '../util/errors.ts';
import { isRight, type Prediction } from './predictions.ts';
import { mcNemarExact } from './statistics.ts';

export interface FlippedExample {
  readonly index: number;
  readonly id: string | number;
  readonly label: string;
  readonly first: string;
  readonly second: string;
}

export interface Comparison {
  readonly examples: number;
  readonly bothRight: number;
  readonly onlyFirst: number;
  readonly onlySecond: number;
  readonly bothWrong: number;
  /** Accuracy of the second model minus that of the first. */
  readonly difference: number;
  /** McNemar's exact test, two-sided: how often equally good models differ as much as this. */
  readonly pValue: number;
  /** The examples that the models answer differently, in file order; wrong answers that merely differ are among them. */
  readonly flipped: readonly FlippedExample[];
}

/** Compares row by row. Throws UsageError unless both hold the same labelled examples in the same order. */
export function comparePredictions(first: readonly Prediction[], second: readonly Prediction[]): Comparison {
  if (first.length !== second.length)
    throw new UsageError(`expected answers to the same examples, found ${first.length} and ${second.length}`, {
      code: 'predictions-differ',
    });
  let bothRight = 0;
  let onlyFirst = 0;
  let onlySecond = 0;
  const flipped: FlippedExample[] = [];
  for (const [index, a] of first.entries()) {
    const b = second[index]!;
    if (a.id !== b.id || a.label !== b.label || a.label === null)
      throw new UsageError(
        `row ${index + 1}: expected the same labelled example, found id ${a.id} (label ${a.label}) and id ${b.id} (label ${b.label})`,
        { code: 'predictions-differ' },
      );
    const firstRight = isRight(a);
    const secondRight = isRight(b);
    if (firstRight && secondRight) bothRight++;
    else if (firstRight) onlyFirst++;
    else if (secondRight) onlySecond++;
    if (a.prediction !== b.prediction)
      flipped.push({ index, id: a.id, label: a.label, first: a.prediction, second: b.prediction });
  }
  const examples = first.length;
  return {
    examples,
    bothRight,
    onlyFirst,
    onlySecond,
    bothWrong: examples - bothRight - onlyFirst - onlySecond,
    difference: examples === 0 ? 0 : (onlySecond - onlyFirst) / examples,
    pValue: mcNemarExact(onlyFirst, onlySecond),
    flipped,
  };
}
