/** Killed runs, shards and their merging. */
import { appendFile, mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadSplit } from '../../src/evaluation/dataset.ts';
import { type EvaluationRun, evaluateHead, finishRun } from '../../src/evaluation/evaluate.ts';
import { readJournal } from '../../src/evaluation/journal.ts';
import { junitReport } from '../../src/evaluation/junit.ts';
import { mergeFolder } from '../../src/evaluation/merge.ts';
import { reportPage } from '../../src/evaluation/page.ts';
import { reportMarkdown, runTable, tableCsv } from '../../src/evaluation/report.ts';
import { parseShard } from '../../src/evaluation/shard.ts';
import { CLUE_TASKS } from '../../src/evaluation/tasks/index.ts';
import { fakeScorer, temporaryFolder } from './fixtures.ts';

const task = CLUE_TASKS.afqmc;
const model = { name: 'fake', revision: null, dtype: 'fp32' };
/** Scores with all bits of a float32 set, so that a lossy journal shows. */
const scorer = () => fakeScorer(['0', '1'], (text) => [Math.sin([...text].length), Math.cos([...text].length * 7)]);

async function dataOf(folder: string) {
  const rows = Array.from({ length: 50 }, (_, i) =>
    JSON.stringify({ sentence1: '问'.repeat((i * 7) % 23), sentence2: `答${i}`, label: String(i % 2) }),
  );
  await writeFile(path.join(folder, 'dev.json'), rows.join('\n'));
  return loadSplit({ task, source: path.join(folder, 'dev.json') });
}

async function setUp() {
  const folder = await temporaryFolder();
  const data = await dataOf(folder);
  const run = (more: Partial<Parameters<typeof evaluateHead>[0]> = {}) =>
    evaluateHead({ task, data, scorer: scorer(), model, environment: { cpu: 'a' }, batchTokens: 64, ...more });
  return { folder, run };
}

const untimed = ({ seconds: _, predictionsFile: __, ...rest }: EvaluationRun) => JSON.stringify(rest);

afterEach(() => {
  vi.useRealTimers();
});

describe('a killed run', () => {
  it('goes on where it was, computes nothing twice, and ends as if nothing had happened', async () => {
    const { folder, run } = await setUp();
    const whole = await run({ predictionsFile: path.join(folder, 'whole.jsonl') });
    const journalFile = path.join(folder, 'x.journal.jsonl');
    const controller = new AbortController();
    const onProgress = ({ done }: { done: number }) => done > 20 && controller.abort(new Error('killed'));
    await expect(run({ journalFile, onProgress, signal: controller.signal })).rejects.toThrow('killed');
    const kept = (await readJournal(journalFile))!.batches.length;
    expect(kept).toBeGreaterThan(1);
    const again = scorer();
    const predictionsFile = path.join(folder, 'resumed.jsonl');
    const resumed = await run({ journalFile, resume: true, scorer: again, predictionsFile });
    const planned = (await readJournal(journalFile))!.batches.length;
    expect(again.batches).toHaveLength(planned - kept);
    expect(untimed(resumed)).toBe(untimed(whole));
    expect(await readFile(predictionsFile, 'utf8')).toBe(await readFile(path.join(folder, 'whole.jsonl'), 'utf8'));
    const none = scorer();
    await run({ journalFile, resume: true, scorer: none });
    expect(none.batches).toHaveLength(0);
  });

  it('loses at most the line that was being written, wherever it was cut', async () => {
    const { folder, run } = await setUp();
    const whole = await run();
    const journalFile = path.join(folder, 'x.journal.jsonl');
    await run({ journalFile });
    const bytes = (await readFile(journalFile)).length;
    for (const size of [0, 10, 1000, bytes - 1, Math.floor(bytes / 2)]) {
      await run({ journalFile, resume: true }); // whole again
      await truncate(journalFile, size);
      expect(untimed(await run({ journalFile, resume: true })), `cut at ${size}`).toBe(untimed(whole));
    }
  });

  it('is not thrown away by a start without --resume, nor continued by another run', async () => {
    const { folder, run } = await setUp();
    const journalFile = path.join(folder, 'x.journal.jsonl');
    await run({ journalFile });
    const { length } = await readFile(journalFile, 'utf8');
    await run({ journalFile }); // a finished one is replaced
    const lines = (await readFile(journalFile, 'utf8')).trimEnd().split('\n');
    expect(lines).toHaveLength(1 + (await readJournal(journalFile))!.batches.length + 1);
    expect(new Set(lines.slice(1, -1).map((line) => JSON.parse(line).batch)).size).toBe(lines.length - 2);
    expect(lines.at(-1)).toBe('{"finished":true}');
    await truncate(journalFile, Math.floor(length / 2));
    await expect(run({ journalFile })).rejects.toMatchObject({ code: 'run-unfinished', exitCode: 2 });
    await expect(run({ journalFile, resume: true, batchTokens: 65 })).rejects.toMatchObject({
      code: 'resume-differs',
      message: expect.stringContaining('batchTokens'),
    });
    await expect(run({ journalFile, resume: true, shard: { index: 1, count: 2 } })).rejects.toThrow(/differs in shard/);
  });

  it('refuses a broken line in the middle, naming it', async () => {
    const { folder, run } = await setUp();
    const journalFile = path.join(folder, 'x.journal.jsonl');
    await run({ journalFile });
    await appendFile(journalFile, '{"batch":\n');
    await expect(run({ journalFile, resume: true })).rejects.toMatchObject({ code: 'malformed-journal', exitCode: 6 });
  });
});

describe('shards', () => {
  const journalOf = (folder: string, index: number): string => path.join(folder, `shard-${index}`, 'x.journal.jsonl');

  it('merge into the reports of a single run, byte for byte, even when the last ones began a day later', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2026-11-24T23:59:00Z') });
    const { folder, run } = await setUp();
    const whole = await run({ predictionsFile: path.join(folder, 'whole.jsonl') });
    for (const index of [3, 1, 2]) {
      await run({ journalFile: journalOf(folder, index), shard: { index, count: 3 }, environment: { cpu: 'a' } });
      vi.setSystemTime(new Date(Date.now() + 60_000));
    }
    const [merged] = await mergeFolder(folder);
    const file = path.join(folder, 'merged.jsonl');
    const together = await finishRun(merged!.header, merged!.batches, file);
    expect(untimed(together)).toBe(untimed(whole));
    expect(together.date).toBe('2026-11-24');
    const reports = (run: EvaluationRun) => [
      reportPage({ runs: [run], tasks: [task], language: 'zh' }),
      reportMarkdown([run], 'zh'),
      tableCsv(runTable([run], 'en')),
      junitReport([run], 0.5),
    ];
    expect(reports(together)).toEqual(reports(whole));
    const seconds = merged!.batches.reduce((sum, batch) => sum + batch.seconds, 0);
    expect(together.seconds).toBe(seconds);
    expect(whole.worst[0]!.texts[1]).toMatch(/^答/);
    expect(await readFile(file, 'utf8')).toBe(await readFile(path.join(folder, 'whole.jsonl'), 'utf8'));
  });

  it('that are finished are not run again by mistake', async () => {
    const { folder, run } = await setUp();
    const shard = { index: 1, count: 2 };
    const journalFile = journalOf(folder, 1);
    const first = await run({ journalFile, shard });
    await expect(run({ journalFile, shard })).rejects.toMatchObject({
      code: 'shard-finished',
      exitCode: 2,
      message: expect.stringContaining('shard 1/2, which is finished'),
      hint: expect.stringContaining('fsb eval merge'),
    });
    const none = scorer();
    expect(untimed(await run({ journalFile, shard, resume: true, scorer: none }))).toBe(untimed(first));
    expect(none.batches).toHaveLength(0);
    expect((await readFile(journalFile, 'utf8')).match(/finished/g)).toHaveLength(1);
    await truncate(journalFile, (await readFile(journalFile)).length - 1); // the last line lost its end
    await expect(run({ journalFile, shard })).rejects.toMatchObject({ code: 'run-unfinished' });
  });

  it('come out in the order the tasks were asked for', async () => {
    const { folder, run } = await setUp();
    const again = { ...task, name: 'a-later-one' };
    for (const index of [2, 1])
      for (const asked of [task, again])
        await run({
          task: asked,
          journalFile: path.join(folder, `shard-${index}`, `${asked.name}.journal.jsonl`),
          shard: { index, count: 2 },
        });
    expect((await mergeFolder(folder)).map(({ header }) => header.task)).toEqual(['afqmc', 'a-later-one']);
  });

  it('list what differs between their machines', async () => {
    const { folder, run } = await setUp();
    for (const index of [1, 2])
      await run({
        journalFile: journalOf(folder, index),
        shard: { index, count: 2 },
        environment: { cpu: `cpu ${index}`, node: 'v24' },
      });
    expect((await mergeFolder(folder))[0]!.header.environment).toEqual({ cpu: ['cpu 1', 'cpu 2'], node: 'v24' });
  });

  it('may read the same data from different places', async () => {
    const { folder, run } = await setUp();
    const whole = await run();
    for (const index of [1, 2]) {
      const place = path.join(folder, `machine-${index}`);
      await mkdir(place);
      const shard = { index, count: 2 };
      await run({ journalFile: journalOf(folder, index), shard, data: await dataOf(place) });
    }
    const [merged] = await mergeFolder(folder);
    expect((await finishRun(merged!.header, merged!.batches)).accuracy).toBe(whole.accuracy);
  });

  it('must be complete, unique and of one run', async () => {
    const { folder, run } = await setUp();
    const shard = (index: number, more = {}) =>
      run({ journalFile: journalOf(folder, index), shard: { index: Math.min(index, 2), count: 2 }, ...more });
    await shard(1);
    await expect(mergeFolder(folder)).rejects.toMatchObject({
      code: 'shard-coverage',
      exitCode: 6,
      message: expect.stringMatching(/\d+ rows missing \(\d.*found 1\/2/),
    });
    await shard(2);
    await mergeFolder(folder);
    await shard(3); // the second once more, elsewhere
    await expect(mergeFolder(folder)).rejects.toThrow(/rows covered more than once/);
    await shard(4, { model: { ...model, dtype: 'int8' } });
    await expect(mergeFolder(folder)).rejects.toMatchObject({
      code: 'shards-differ',
      message: expect.stringContaining('model'),
    });
    await expect(mergeFolder(await temporaryFolder())).rejects.toMatchObject({ code: 'no-journals', exitCode: 3 });
  });

  it('are named by i/n or by the array job', () => {
    expect(parseShard('2/8', {})).toEqual({ index: 2, count: 8 });
    expect(parseShard('auto/8', { JOB_COMPLETION_INDEX: '0' })).toEqual({ index: 1, count: 8 });
    expect(parseShard('auto/8', { SLURM_ARRAY_TASK_ID: '7' })).toEqual({ index: 8, count: 8 });
    const slurm = { SLURM_ARRAY_TASK_ID: '4', SLURM_ARRAY_TASK_MIN: '1', SLURM_ARRAY_TASK_COUNT: '4' };
    expect(parseShard('auto', slurm)).toEqual({ index: 4, count: 4 });
    for (const [text, environment] of [
      ['9/8', {}],
      ['0/8', {}],
      ['2', {}],
      ['auto/8', {}],
      ['auto', { JOB_COMPLETION_INDEX: '1' }],
      ['auto/4', { SLURM_ARRAY_TASK_ID: '4' }],
      ['x/2', {}],
    ] as const)
      expect(() => parseShard(text, environment), text).toThrow(expect.objectContaining({ code: 'bad-shard' }));
  });
});
