/** fsb eval, classify --labels and demo from outside: reading tasks, submissions, merged shards, pages. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeHeadCheckpoint } from '../helpers/head-checkpoint.ts';
import { type RunFsbOptions, runFsb } from '../helpers/run-fsb.ts';
import { scratchFolder } from '../helpers/scratch.ts';

const home = scratchFolder('cli-eval-reports');
const FIXTURES = path.resolve('test/fixtures/evaluation');
const fsb = (args: readonly string[], options: Omit<RunFsbOptions, 'home'> = {}) => runFsb(args, { home, ...options });
const ok = async (args: readonly string[], options: Omit<RunFsbOptions, 'home'> = {}) => {
  const result = await fsb(args, options);
  expect(result).toMatchObject({ code: 0 });
  return result;
};
const checkpoint = (name: string): string => path.join(home, name);
const data = (name: string): string => path.join(FIXTURES, name);

beforeAll(async () => {
  await writeHeadCheckpoint(checkpoint('span'), 'MegatronBertForQuestionAnswering');
  await writeHeadCheckpoint(checkpoint('choice'), 'MegatronBertForMultipleChoice');
});

describe('the reading tasks', () => {
  it('CMRC2018: exact match in the table, F1 beside it, questions on the page', async () => {
    const report = path.join(home, 'cmrc.html');
    const args = ['eval', '--task', 'cmrc2018', '--data', data('cmrc2018'), '--model', checkpoint('span')];
    const { stdout, stderr } = await ok([...args, '--report', report]);
    expect(stdout).toMatch(/^cmrc2018\s+dev\s.*\shead\s+fp32\s+\d+\.\d\d\s/m);
    expect(stderr).toMatch(/accuracy is exact match; F1 \d+\.\d\d % \(95 % interval \d+\.\d\d–\d+\.\d\d\)/);
    const page = readFileSync(report, 'utf8');
    expect(page).toContain('完全匹配');
    expect(page).toContain('小林在哪里工作？<br>小林住在山脚下');
    expect(page).not.toContain('各标签');
  });

  it('C3 and ChID: by a multiple-choice head, or asked of a model without one', async () => {
    for (const task of ['c3', 'chid']) {
      const args = ['eval', '--task', task, '--data', data(task), '--json'];
      const head = JSON.parse((await ok([...args, '--model', checkpoint('choice')])).stdout).runs[0];
      expect(head).toMatchObject({ task, method: 'head', examples: task === 'c3' ? 3 : 4 });
      const [cloze] = JSON.parse((await ok([...args, '--model', 'erlangshen-mini'])).stdout).runs;
      expect(cloze).toMatchObject({ task, method: 'cloze' });
      const [lm] = JSON.parse((await ok([...args, '--model', 'wenzhong-mini'])).stdout).runs;
      expect(lm).toMatchObject({ task, method: 'lm' });
    }
  });

  it('say what a model lacks', async () => {
    const { code, stderr } = await fsb([
      'eval',
      '--task',
      'cmrc2018',
      '--data',
      data('cmrc2018'),
      '--model',
      'erlangshen-mini-poet',
    ]);
    expect({ code, stderr }).toMatchObject({
      code: 8,
      stderr: expect.stringContaining('needs a question-answering head'),
    });
  });
});

describe('several tasks', () => {
  it('are refused before anything is computed when the model cannot answer one', async () => {
    const args = ['eval', '--task', 'poet,afqmc', '--data', data('afqmc'), '--model', 'erlangshen-mini-poet'];
    const { code, stdout, stderr } = await fsb(args);
    expect({ code, stdout }).toEqual({ code: 8, stdout: '' });
    expect(stderr).toContain('afqmc has 2 labels');
    expect(stderr).not.toContain('the model answers by');
  });

  it('of FewCLUE have the default models of the registry', async () => {
    const { tasks } = JSON.parse((await ok(['list', '--tasks', '--json'])).stdout);
    const model = (name: string) => tasks.find((task: { name: string }) => task.name === name).defaultModel;
    expect(model('fewclue-eprstmt')).toBe('erlangshen-roberta-110m-sentiment');
    expect(model('fewclue-ocnli')).toBe('erlangshen-roberta-110m-nli');
    expect(model('cmrc2018')).toBeNull();
  });
});

describe('submissions', () => {
  it('of the reading tasks are written in their forms and pass lint', async () => {
    for (const [task, model, entry] of [
      ['cmrc2018', 'span', 'cmrc2018_predict.json'],
      ['c3', 'choice', 'c311_predict.json'],
      ['chid', 'choice', 'chid11_predict.json'],
    ] as const) {
      const file = path.join(home, `${task}.zip`);
      const args = ['--task', task, '--data', data(task)];
      const { stdout } = await ok(['eval', ...args, '--model', checkpoint(model), '--submission', file, '--json']);
      expect(JSON.parse(stdout)).toMatchObject({ benchmark: 'clue1.1', entries: [entry] });
      expect((await ok(['eval', 'lint', file, ...args])).stdout).toContain('as the leaderboard expects');
    }
  });
});

describe('shards', () => {
  /** Every form of a report: what a command prints, and what it writes. The seconds, in the JSON alone, tell the clock. */
  const reportsOf = async (args: readonly string[], out: string) => {
    const file = (name: string): string => path.join(out, name);
    const written = ['--report', file('page.html'), '--junit', file('junit.xml')];
    const { stdout: table, stderr } = await ok(['eval', ...args, ...written]);
    const { stdout: markdown } = await ok(['eval', ...args, '--markdown', '--quiet']);
    const { stdout: csv } = await ok(['eval', ...args, '--format', 'csv', '--quiet']);
    const read = (name: string): string => readFileSync(file(name), 'utf8');
    return {
      ...{ table, markdown, csv, stderr, json: read('eval.json').replace(/"seconds": [\d.]+/g, '"seconds": 0') },
      ...{ html: read('page.html'), junit: read('junit.xml'), predictions: read('poet.dev.predictions.jsonl') },
    };
  };

  it.each([
    ['poet', 'its own model', []],
    ['poet', 'erlangshen-mini', ['--model', 'erlangshen-mini', '--method', 'cloze']],
  ])('of %s by %s merge into the bytes of a single run, as --resume of a finished run does', async (task, by, how) => {
    const options = ['--task', task, '--limit', '40', '--batch-tokens', '256', ...how];
    const whole = path.join(home, `whole by ${by}`);
    const parts = path.join(home, `parts by ${by}`);
    await ok(['eval', ...options, '--out', whole]);
    for (const shard of ['3/3', '1/3', '2/3']) await ok(['eval', ...options, '--out', parts, '--shard', shard]);
    const { stderr: _, ...single } = await reportsOf([...options, '--out', whole, '--resume'], whole);
    const { stderr, ...merged } = await reportsOf(['merge', parts], parts);
    expect(merged).toEqual(single);
    expect(await reportsOf([...options, '--out', whole, '--resume'], whole)).toMatchObject(single);
    expect(merged.html).toMatch(/<td class="text">\p{Script=Han}/u);
    expect(merged.html).toMatch(/<td class="text">\d{4}-\d\d-\d\d \(UTC\)</);
    expect(stderr).toMatch(/^poet dev: 40 examples in \d+\.\ds$/m);
  });
});

describe('classify --labels', () => {
  it('chooses among labels of one’s own and says how it asked', async () => {
    const args = ['classify', 'erlangshen-mini', '床前明月光，疑是地上霜。', '--labels', '月,花朵,雪'];
    const { stdout, stderr } = await ok([...args, '--top-k', '1']);
    expect(stdout).toMatch(/^床前明月光，疑是地上霜。\n {2}月\t0\.\d{4}\n$/);
    expect(stderr).toContain('zero-shot by cloze: {text}这段内容是关于{label}');
    const document = JSON.parse((await ok([...args, '--json', '--template', '关于{label}：{text}'])).stdout);
    expect(document).toMatchObject({
      schema: 'fsb.classify/1',
      results: [{ method: 'cloze', template: '关于{label}：{text}' }],
    });
  });

  it('exits with 2 for one label, a template without a slot, a pair, and a template without labels', async () => {
    for (const more of [
      ['--labels', '月'],
      ['--labels', '月,日', '--template', '{text}'],
      ['--labels', '月,日', '--pair', 'b'],
      ['--template', '{text}{label}'],
    ])
      expect(await fsb(['classify', 'erlangshen-mini', 'a', ...more])).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('a text that is too long', () => {
  it('is said to be cut, on stderr and in its row', async () => {
    const long = '月'.repeat(600);
    for (const args of [
      ['classify', 'erlangshen-mini-poet', long],
      ['classify', 'erlangshen-mini', long, '--labels', '月,日'],
      ['fill-mask', 'erlangshen-mini', `[MASK]${long}`],
      ['embed', 'erlangshen-mini', long],
    ]) {
      const { stdout, stderr } = await ok([...args, '--json', '--quiet']);
      expect(JSON.parse(stdout).results[0].truncated, args[0]).toBe(true);
      expect(stderr).toContain('the text is longer than the model reads');
    }
    const similar = await ok(['similarity', 'erlangshen-mini', '月', long, '--json']);
    expect(JSON.parse(similar.stdout)).toMatchObject({ truncated: true });
    const lines = await ok(['classify', 'erlangshen-mini-poet', '--input', '-'], { input: `月\n${long}\n` });
    expect(
      lines.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).truncated),
    ).toEqual([undefined, true]);
    expect(lines.stderr).toContain('1 of 2 texts are longer');
  });
});

describe('demo', () => {
  it('ends with a score and a page, and leaves nothing else', async () => {
    const folder = path.join(home, 'tmp');
    mkdirSync(folder);
    const { stdout } = await ok(['demo'], { env: { TMPDIR: folder } });
    expect(stdout).toMatch(/^poet\s+dev\s+erlangshen-mini-poet\s+head\s+fp32\s+57\.83/m);
    const report = /^a page to look at: (.+)$/m.exec(stdout)![1]!;
    expect(readFileSync(report, 'utf8')).toContain('57.83 %');
    expect(existsSync(path.join(path.dirname(report), 'home'))).toBe(false);
    rmSync(path.dirname(report), { recursive: true });
  });
});
