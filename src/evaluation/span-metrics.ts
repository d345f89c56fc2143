/**
 * Exact match and F1 of an answer against the right ones, as CLUE scores CMRC2018 (baselines/models_pytorch/mrc_pytorch/
 * preprocess/cmrc2018_evaluate.py, v5): texts in lower case, marks left out, Chinese by characters and the rest by words,
 * and an overlap that is the longest common run, not a bag of words. Words are cut by NLTK's rules; a run without Chinese
 * in it counts as one sentence.
 */
import { treebankWords } from './treebank-words.ts';

/** Marks that count neither for exact match nor for F1. The script also lists "……", which no single character equals. */
const MARKS = new Set('-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』');

const CHINESE = /[\u4e00-\u9fa5]/;

/** True when the answer is one of the right ones, marks aside. */
export function exactMatch(right: readonly string[], answer: string): boolean {
  const bare = withoutMarks(answer);
  return right.some((text) => withoutMarks(text) === bare);
}

/** The best F1 over the right answers, 0..1. */
export function answerF1(right: readonly string[], answer: string): number {
  const segments = segmentsOf(answer);
  return Math.max(...right.map((text) => f1(segmentsOf(text), segments)));
}

/** Characters and words of a text, marks left out. */
export function segmentsOf(text: string): string[] {
  const segments: string[] = [];
  let run = '';
  const endRun = (): void => {
    if (run !== '') segments.push(...treebankWords(run));
    run = '';
  };
  for (const character of text.toLowerCase().trim()) {
    if (MARKS.has(character)) continue; // it does not end a run: "a-b" is the word "ab"
    if (!CHINESE.test(character)) run += character;
    else {
      endRun();
      segments.push(character);
    }
  }
  endRun();
  return segments;
}

// --- internal ---

const withoutMarks = (text: string): string =>
  [...text.toLowerCase().trim()].filter((character) => !MARKS.has(character)).join('');

function f1(right: readonly string[], answer: readonly string[]): number {
  const common = longestCommonRun(right, answer);
  if (common === 0) return 0;
  const precision = common / answer.length;
  const recall = common / right.length;
  return (2 * precision * recall) / (precision + recall);
}

/** Length of the longest run of segments that both hold. */
function longestCommonRun(a: readonly string[], b: readonly string[]): number {
  let longest = 0;
  let former = new Uint32Array(b.length + 1);
  for (const segment of a) {
    const row = new Uint32Array(b.length + 1);
    for (let j = 0; j < b.length; j++) {
      if (segment !== b[j]) continue;
      row[j + 1] = former[j]! + 1;
      longest = Math.max(longest, row[j + 1]!);
    }
    former = row;
  }
  return longest;
}
