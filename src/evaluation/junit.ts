/**
 * Runs as a JUnit report, for the test tab of a CI: a test case per task, failed when below the accuracy asked for. Folds
 * have their cases too, and are judged by their mean, as --min-accuracy judges them.
 */
import type { EvaluationRun } from './evaluate.ts';
import { type FoldSummary, summarizeFolds } from './fold-summary.ts';
import { escapeMarkup } from './markup.ts';

/**
 * The XML document (https://github.com/testmoapp/junitxml), without its optional times: they would tell one run's clock,
 * and merged shards have to give the same bytes. `least`: --min-accuracy; without it no case fails.
 */
export function junitReport(runs: readonly EvaluationRun[], least?: number): string {
  const cases = [...runs.map(runCase), ...summarizeFolds(runs).map(foldsCase)];
  const failed = cases.filter((item) => isBelow(item, least)).length;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="fsb eval" tests="${cases.length}" failures="${failed}">`,
    `  <testsuite name="fsb eval" tests="${cases.length}" failures="${failed}" errors="0">`,
    ...cases.map((item) => testCase(item, least)),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

// --- internal ---

interface TestCase {
  readonly model: string;
  readonly name: string;
  readonly accuracy: number;
  readonly score: string;
  /** False for what another case stands for. */
  readonly isJudged: boolean;
}

function runCase({ task, split, method, fold, model, accuracy, ci95, correct, examples }: EvaluationRun): TestCase {
  return {
    model: model.name,
    name: `${task} ${split} (${fold === null ? method : `${method} ${fold}`}, ${model.dtype})`,
    accuracy,
    score: `accuracy ${accuracy.toFixed(4)}, 95 % interval ${ci95.map((end) => end.toFixed(4)).join(' to ')}, ${correct} of ${examples}`,
    isJudged: fold === null,
  };
}

function foldsCase({ task, split, method, model, folds, mean, std }: FoldSummary): TestCase {
  return {
    model: model.name,
    name: `${task} ${split} (${method}, mean of ${folds.length}, ${model.dtype})`,
    accuracy: mean,
    score: `accuracy ${mean.toFixed(4)}${std === null ? '' : `, standard deviation ${std.toFixed(4)}`}, mean of ${folds.join(', ')}`,
    isJudged: true,
  };
}

function testCase(item: TestCase, least: number | undefined): string {
  const { model, name, accuracy, score } = item;
  const failure = isBelow(item, least)
    ? [
        `      <failure message="${escapeMarkup(`accuracy ${accuracy.toFixed(4)} is below ${least}`)}">${escapeMarkup(score)}</failure>`,
      ]
    : [];
  return [
    `    <testcase classname="${escapeMarkup(model)}" name="${escapeMarkup(name)}">`,
    ...failure,
    `      <system-out>${escapeMarkup(score)}</system-out>`,
    '    </testcase>',
  ].join('\n');
}

const isBelow = ({ accuracy, isJudged }: TestCase, least: number | undefined): boolean =>
  isJudged && least !== undefined && accuracy < least;
