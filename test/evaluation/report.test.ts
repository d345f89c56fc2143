import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadSplit } from '../../src/evaluation/dataset.ts';
import { type EvaluationRun, evaluateHead } from '../../src/evaluation/evaluate.ts';
import {
  labelTable,
  referenceNotes,
  reportMarkdown,
  runNotes,
  runTable,
  tableMarkdown,
  tableNotes,
} from '../../src/evaluation/report.ts';
import { CLUE_TASKS } from '../../src/evaluation/tasks/index.ts';
import { FIXTURES, fakeScorer } from './fixtures.ts';

const task = CLUE_TASKS.ocnli;

async function run(changes: Partial<EvaluationRun> = {}): Promise<EvaluationRun> {
  const result = await evaluateHead({
    task,
    data: await loadSplit({ task, source: path.join(FIXTURES, 'ocnli') }),
    scorer: fakeScorer(['contradiction', 'entailment', 'neutral'], () => [0, 1, 2]),
    model: { name: 'fake', revision: null, dtype: 'int8' },
    published: [{ model: 'erlangshen-1.3b', accuracy: 0.7917, source: 'README', split: 'dev' }],
    environment: {},
  });
  return { ...result, ...changes };
}

describe('the report', () => {
  it('is a table of text with a row per run', async () => {
    expect(runTable([await run()], 'en').rows).toEqual([
      [
        'ocnli',
        'dev',
        'fake',
        'head',
        'int8',
        '33.33',
        '6.15–79.23',
        '3',
        '33.33',
        'erlangshen-1.3b 79.17 (inside the interval)',
      ],
    ]);
  });

  it('has as many cells as columns in both languages', async () => {
    for (const language of ['zh', 'en'] as const)
      for (const table of [runTable([await run()], language), labelTable(await run(), task, language)])
        for (const row of table.rows) expect(row).toHaveLength(table.columns.length);
  });

  it('shows labels with their names, and a dash for 0/0', async () => {
    const { rows } = labelTable(await run(), task, 'zh');
    expect(rows[0]).toEqual(['contradiction', '矛盾', '1', '0', '–', '0.00', '0.00']);
    expect(rows[2]).toEqual(['neutral', '中立', '1', '3', '33.33', '100.00', '50.00']);
  });

  it('notes what makes a number doubtful', async () => {
    const doubtful = await run({
      majority: 0.9,
      available: 2950,
      sampleSeed: 0,
      data: { file: 'dev.json', md5: 'ab', official: false, variant: 'rebuilt' },
      nearTies: [{ index: 0, id: 0, labels: ['entailment', 'neutral'], gap: 0 }],
    });
    expect(runNotes(doubtful, 'en')).toEqual([
      'below the majority label (90.00 %)',
      'a subset of 3 of 2950 examples, drawn by seed 0',
      'dev.json is not the official file (rebuilt)',
      'rows without an agreed label, left out: 1',
      'near ties, whose answers may turn with rounding: 1',
    ]);
    expect(runNotes(await run({ dropped: 0 }), 'zh')).toEqual([]);
  });

  it('says once what makes several published scores other measurements', async () => {
    const score = { accuracy: 0.6, source: 'paper', split: undefined, insideInterval: false };
    const compared = await run({
      dropped: 0,
      published: [
        { ...score, model: 'a', note: 'among 4' },
        { ...score, model: 'b' },
        { ...score, model: 'c', note: 'among 4' },
      ],
    });
    expect(referenceNotes(compared, 3)).toEqual(['* a, c: among 4']);
    expect(referenceNotes(compared, 2)).toEqual(['* a: among 4']);
    expect(tableNotes(compared, 'en')).toEqual(['ocnli dev: * a, c: among 4']);
  });

  it('can be Markdown', async () => {
    expect(reportMarkdown([await run()], 'zh')).toBe(
      [
        '| 任务 | 划分 | 模型 | 方法 | 数值类型 | 准确率 % | 95 % 置信区间 | 样本数 | 多数类 % | 公开成绩 % |',
        '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
        '| ocnli | dev | fake | head | int8 | 33.33 | 6.15–79.23 | 3 | 33.33 | erlangshen-1.3b 79.17 （在区间内） |',
        '',
        '- ocnli dev: 已剔除 1 行无一致标注的样本',
        '',
      ].join('\n'),
    );
    expect(tableMarkdown({ columns: ['a|b'], rows: [['x\ny']] })).toBe('| a\\|b |\n| --- |\n| x y |\n');
  });
});
