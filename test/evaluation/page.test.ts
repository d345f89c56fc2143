import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSplit } from '../../src/evaluation/dataset.ts';
import { evaluateHead } from '../../src/evaluation/evaluate.ts';
import { junitReport } from '../../src/evaluation/junit.ts';
import { escapeMarkup } from '../../src/evaluation/markup.ts';
import { reportPage } from '../../src/evaluation/page.ts';
import { tableCsv } from '../../src/evaluation/report.ts';
import { ALL_TASKS, CLUE_TASKS } from '../../src/evaluation/tasks/index.ts';
import { FIXTURES, fakeScorer } from './fixtures.ts';

async function runOf(name: keyof typeof CLUE_TASKS) {
  const task = CLUE_TASKS[name];
  const data = await loadSplit({ task, source: path.join(FIXTURES, name) });
  const values = task.labels.map(({ value }) => value);
  const run = await evaluateHead({
    task,
    data,
    scorer: fakeScorer(values, () => values.map((_, i) => -i)),
    model: { name: 'a <b> & "c"', revision: null, dtype: 'fp32' },
    published: [{ model: 'erlangshen-1.3b', accuracy: 0.7917, source: 'README', split: 'dev' }],
    environment: { node: 'v24' },
  });
  return { run, data, task };
}

describe('the report page', () => {
  it('is complete in itself, in both languages, and escapes what comes from outside', async () => {
    const { run, task } = await runOf('ocnli');
    const hostile = { ...run, worst: run.worst.map((row) => ({ ...row, texts: ['<script>x</script>', '后'] })) };
    const page = reportPage({ runs: [run, hostile], tasks: [task], language: 'zh' });
    expect(page).toMatch(/^<!doctype html>\n<html lang="zh-CN">/);
    expect(page).not.toMatch(/<script|<link|src=|https?:/);
    expect(page).toContain('a &lt;b&gt; &amp; &quot;c&quot;');
    for (const text of [
      '评测报告',
      'Evaluation report',
      '置信区间',
      '95 % interval',
      '混淆',
      'Confusions',
      'erlangshen-1.3b',
      'inside the interval',
      '&lt;script&gt;',
    ])
      expect(page, text).toContain(text);
    expect(page.match(/<td class="(right|wrong)"/g)).toHaveLength(2 * 9);
    expect(page).toContain('id="zh" checked');
  });

  it('has a section for each fold and their mean in the overview', async () => {
    const { run, task } = await runOf('ocnli');
    const folds = [0.5, 0.54, 0.46].map((accuracy, i) => ({ ...run, accuracy, fold: `train_${i}` }));
    const page = reportPage({ runs: folds, tasks: [task], language: 'en' });
    for (const { fold } of folds) {
      expect(page.match(new RegExp(`<section id="ocnli-dev-${fold}">`, 'g'))).toHaveLength(1);
      expect(page).toContain(`<a href="#ocnli-dev-${fold}">`);
      expect(page).toContain(`, dev, ${fold}</small></h2>`);
    }
    expect(page).toContain('mean of 3 folds ± standard deviation');
    expect(page).toContain('<b>50.00</b></td><td class="number">± 4.00</td>');
    expect(page).toContain('<title>fsb eval: ocnli</title>');
    expect(reportPage({ runs: folds.slice(0, 1), tasks: [task], language: 'en' })).not.toContain('mean of');
  });

  it('draws the matrix of a task with many labels and lists its commonest confusions', async () => {
    const { run, task } = await runOf('iflytek');
    const page = reportPage({ runs: [run], tasks: [task], language: 'en' });
    expect(page).not.toContain('class="matrix"');
    expect(page).toContain('<svg viewBox="0 0 119 119" role="img"><path class="');
    expect(page).toContain('<summary>119 ');
  });

  it('lists the surest mistakes first', async () => {
    const { run } = await runOf('poet');
    const surest = run.worst.map(({ probability }) => probability!);
    expect(surest).toEqual([...surest].sort((a, b) => b - a));
    expect(run.worst[0]!.texts).toEqual([expect.stringMatching(/^\p{Script=Han}/u)]);
    expect(run.worst).toHaveLength(Math.min(20, run.examples - run.correct));
    expect(ALL_TASKS.poet?.name).toBe(run.task);
  });
});

describe('JUnit and CSV', () => {
  it('fail a case below the accuracy asked for', async () => {
    const { run } = await runOf('ocnli');
    expect(junitReport([run], 0.1)).toContain('failures="0"');
    const failed = junitReport([run], 0.9);
    expect(failed).toContain('<failure message="accuracy 0.3333 is below 0.9">');
    expect(failed).toContain('classname="a &lt;b&gt; &amp; &quot;c&quot;"');
  });

  it('quote what needs it', () => {
    expect(tableCsv({ columns: ['a', 'b,c'], rows: [['x"y', 'z\n']] })).toBe('a,"b,c"\r\n"x""y","z\n"\r\n');
    expect(escapeMarkup('\u0000<&>')).toBe('\ufffd&lt;&amp;&gt;');
  });
});
