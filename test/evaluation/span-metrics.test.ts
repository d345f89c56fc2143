/** Scores of CLUE's cmrc2018_evaluate.py and words of NLTK, made with them once (scores.json says with which version). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { answerF1, exactMatch, segmentsOf } from '../../src/evaluation/span-metrics.ts';
import { treebankWords } from '../../src/evaluation/treebank-words.ts';

const golden = JSON.parse(readFileSync('test/fixtures/evaluation/cmrc2018/scores.json', 'utf8')) as {
  readonly words: Readonly<Record<string, string[]>>;
  readonly scores: readonly { right: string[]; answer: string; em: number; f1: number }[];
};

describe('answers to open questions', () => {
  it.each(golden.scores)('$answer for $right scores as by the official script', ({ right, answer, em, f1 }) => {
    expect(exactMatch(right, answer)).toBe(em === 1);
    expect(answerF1(right, answer)).toBeCloseTo(f1, 12);
  });

  it('are cut into Chinese characters and words of the rest, marks left out', () => {
    expect(segmentsOf('《哈利·波特》Harry Potter, 1997年')).toEqual([
      ...'哈利波特',
      'harry',
      'potter',
      ',',
      '1997',
      '年',
    ]);
  });
});

describe('words', () => {
  it.each(Object.entries(golden.words))('of %j are NLTK’s', (text, words) => {
    expect(treebankWords(text)).toEqual(words);
  });
});
