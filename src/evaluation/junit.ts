/** Runs as a JUnit report, for the test tab of a CI: a test case per task, failed when below the accuracy asked for. */
import type { EvaluationRun } from './evaluate.ts';
import { escapeMarkup } from './markup.ts';

/**
 * The XML document (https://github.com/testmoapp/junitxml), without its optional times: they would tell one run's clock,
 * and merged shards have to give the same bytes. `least`: --min-accuracy; without it no case fails.
 */
export function junitReport(runs: readonly EvaluationRun[], least?: number): string {
  const failed = runs.filter((run) => isBelow(run, least)).length;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="fsb eval" tests="${runs.length}" failures="${failed}">`,
    `  <testsuite name="fsb eval" tests="${runs.length}" failures="${failed}" errors="0">`,
    ...runs.map((run) => testCase(run, least)),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

// --- internal ---

function testCase(run: EvaluationRun, least: number | undefined): string {
  const method = run.fold === null ? run.method : `${run.method} ${run.fold}`;
  const name = `${run.task} ${run.split} (${method}, ${run.model.dtype})`;
  const score = `accuracy ${run.accuracy.toFixed(4)}, 95 % interval ${run.ci95.map((end) => end.toFixed(4)).join(' to ')}, ${run.correct} of ${run.examples}`;
  const failure = isBelow(run, least)
    ? [
        `      <failure message="${escapeMarkup(`accuracy ${run.accuracy.toFixed(4)} is below ${least}`)}">${escapeMarkup(score)}</failure>`,
      ]
    : [];
  return [
    `    <testcase classname="${escapeMarkup(run.model.name)}" name="${escapeMarkup(name)}">`,
    ...failure,
    `      <system-out>${escapeMarkup(score)}</system-out>`,
    '    </testcase>',
  ].join('\n');
}

const isBelow = (run: EvaluationRun, least: number | undefined): boolean => least !== undefined && run.accuracy < least;
